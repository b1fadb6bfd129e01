/** What a check has found. */
export type Finding = {
  /** What was looked at, in a word or two. */
  check: string;
  status: "ok" | "warning" | "failed";
  /** What is so; never a secret. */
  detail: string;
  /** What to do about it; empty where all is well. */
  advice: string;
};

/** Makes the findings of one check. */
export type Report = {
  ok(detail: string): Finding;
  /** The server works, but not as well as it might, or not for long. */
  warning(detail: string, advice: string): Finding;
  /** The server does not start, or something that is configured does not work. */
  failed(detail: string, advice: string): Finding;
};

export function reportOf(check: string): Report {
  return {
    ok: (detail) => ({ check, status: "ok", detail, advice: "" }),
    warning: (detail, advice) => ({ check, status: "warning", detail, advice }),
    failed: (detail, advice) => ({ check, status: "failed", detail, advice }),
  };
}

/** Resolves with true when `signal` aborts, with false when `until` aborts first; leaves no listener. */
export function whenAborted(signal: AbortSignal, until: AbortSignal): Promise<boolean> {
  if (signal.aborted || until.aborted) return Promise.resolve(signal.aborted);
  return new Promise((resolve) => {
    const onAbort = () => {
      signal.removeEventListener("abort", onAbort);
      until.removeEventListener("abort", onAbort);
      resolve(signal.aborted);
    };
    signal.addEventListener("abort", onAbort);
    until.addEventListener("abort", onAbort);
  });
}

import { Command } from "commander";
import type { Finding } from "../doctor/finding.ts";
import { exitCode } from "./exit-code.ts";
import { withoutControls } from "./sanitize.ts";
import { addSettings } from "./serve.ts";

/** `chatwire doctor`: says what is wrong before somebody else does. */
export function createDoctorCommand(): Command {
  const command = new Command("doctor")
    .description(
      "Check the configuration, the database, the models, certificates and this machine; changes nothing. " +
        "Takes the settings that serve takes, and ends with 1 where something failed",
    )
    .option("--json", "print the result as JSON");
  return addSettings(command).action(
    async ({ json, ...flags }: Record<string, string | boolean>) => {
      const { diagnose } = await import("../doctor/diagnose.ts");
      const findings = await diagnose(flags);
      const ok = findings.every(({ status }) => status !== "failed");
      const text = json ? `${JSON.stringify({ ok, findings })}\n` : findings.map(toLines).join("");
      process.stdout.write(text);
      process.exitCode = ok ? exitCode.ok : exitCode.failed;
    },
  );
}

function toLines({ check, status, detail, advice }: Finding): string {
  const line = `${status.padEnd(9)}${check.padEnd(16)}${detail}`;
  const lines = advice === "" ? [line] : [line, `${"".padEnd(25)}→ ${advice}`];
  return lines.map((each) => `${withoutControls(each)}\n`).join("");
}

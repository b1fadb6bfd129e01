import { Command, Option } from "commander";
import { flagOf, settingNames, settings } from "../config/settings.ts";

/** `chatwire serve`: the server, every setting of which is a flag unless it is a secret. */
export function createServeCommand(): Command {
  const command = new Command("serve").description(
    "Start the server. Flags win over the environment, and the environment over .env",
  );
  return addSettings(command).action(async (flags: Record<string, string | boolean>) => {
    const { serve } = await import("../server.ts");
    await serve(flags);
  });
}

/** Gives a command a flag for every setting, and names the secrets below its help. */
export function addSettings(command: Command): Command {
  const secrets: string[] = [];
  for (const name of settingNames) {
    const { default: standard, help, placeholder, group } = settings[name];
    const flag = flagOf(name);
    const setting = standard === "" ? name : `${name}, default ${standard}`;
    if (flag === undefined) {
      secrets.push(`  ${name.padEnd(18)}${help}`);
      continue;
    }
    const value = placeholder === "" ? "[0|1]" : `<${placeholder}>`;
    command.addOption(
      new Option(`--${flag} ${value}`, `${help} (${setting})`).helpGroup(`${group}:`),
    );
  }
  return command.addHelpText(
    "after",
    `\nSecrets, in the environment or .env only:\n${secrets.join("\n")}`,
  );
}

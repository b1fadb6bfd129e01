import { settingNames, settings } from "./settings.ts";

/** The content of .env.example: every setting with what it does and its default, none of them in force. */
export function envExample(): string {
  const lines = [
    "# Settings of chatwire. Copy this file to .env and remove the # of what you want to change.",
    "# The environment wins over .env, and flags of `chatwire serve` win over both.",
    "# Written by: node src/config/env-example.ts > .env.example",
  ];
  let group = "";
  for (const name of settingNames) {
    const setting = settings[name];
    if (setting.group !== group) lines.push("", `## ${setting.group}`);
    group = setting.group;
    lines.push("", `# ${setting.help}.`, `#${name}=${setting.default}`);
  }
  return `${lines.join("\n")}\n`;
}

if (import.meta.main) process.stdout.write(envExample());

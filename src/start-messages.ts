import { type Config, describeDefaultModel } from "./config.ts";
import { framework } from "./version.ts";

/** What is printed once the server listens: where, with what, and what to type next. */
export function welcome(config: Config, urls: readonly string[]): string {
  const [url = ""] = urls;
  const data = config.database.type === "sqlite" ? config.database.path : "memory, gone at the end";
  const lines = [
    `${framework} listens on ${urls.join(" and ")}`,
    `  data   ${data}`,
    `  model  ${describeDefaultModel(config)}`,
    ...config.warnings.map((warning) => `  note   ${warning}`),
    "",
    "Try it:",
    ...commandsToTry(url, process.platform, config.tls !== undefined).map((line) => `  ${line}`),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

/** Commands that can be pasted into the platform's usual shell as they are. */
export function commandsToTry(url: string, platform: NodeJS.Platform, tls: boolean): string[] {
  const quote = platform === "win32" ? quoteForCmd : quoteForSh;
  const curl = platform === "win32" ? "curl.exe" : "curl";
  const insecure = tls ? " --insecure" : "";
  const json = quote("content-type: application/json");
  const body = quote('{"message":"Hello, I feel a little tired today"}');
  return [
    `${curl}${insecure} ${url}/chat.ChatService/SendMessage -H ${json} -d ${body}`,
    chatCommand(url),
  ];
}

/** Starts the terminal client: in a checkout by npm, from an installed package by its command. */
function chatCommand(url: string): string {
  const isPackage = import.meta.url.includes("/node_modules/");
  if (isPackage) return `npx chatwire chat${url.endsWith(":50051") ? "" : ` --url ${url}`}`;
  return `npm run chat${url.endsWith(":50051") ? "" : ` -- --url ${url}`}`;
}

function quoteForSh(text: string): string {
  return `'${text}'`;
}

/** For cmd.exe: double quotes, those inside escaped as curl.exe reads them. */
function quoteForCmd(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

/** What to tell somebody whose port is taken: by whom, and what to type. */
export async function describePortTaken(config: Config): Promise<string> {
  const scheme = config.tls ? "https" : "http";
  const url = `${scheme}://${config.host}:${config.port}`;
  const other = config.port + 1 > 65_535 ? config.port - 1 : config.port + 1;
  const start = `npm start -- --port ${other}`;
  if (await isChatwire(url)) {
    return `Port ${config.port} is taken: chatwire runs there already, at ${url}.
Talk to it with: ${chatCommand(url)}
Or start another beside it, with data of its own: ${start} --database-url sqlite:data/other.db
`;
  }
  return `Port ${config.port} is taken by another program.
Start chatwire on another port: ${start}
`;
}

/** How long the other program may take to say who it is. */
const askTimeoutMs = 2_000;

async function isChatwire(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/chat.ChatService/Health`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    const { framework: name } = (await answer.json()) as { framework?: unknown };
    return typeof name === "string" && name.startsWith("chatwire");
  } catch {
    return false;
  }
}

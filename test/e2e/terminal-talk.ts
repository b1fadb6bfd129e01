import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { ChatClient } from "../../src/client/client.ts";
import type { TestApp } from "../support/app.ts";
import { clientLanes, openClient } from "../support/client-lanes.ts";
import { createTerminalScreen } from "../support/terminal-screen.ts";
import {
  type CommandOptions,
  type RunningCommand,
  startCommand,
  stateFolder,
} from "../unit/cli/run-command.ts";

export const keys = {
  ctrlC: "\u0003",
  ctrlD: "\u0004",
  up: "\u001b[A",
  tab: "\t",
  altEnter: "\u001b\r",
};

/** Text as a terminal marks a paste of it. */
export const pasted = (text: string) => `\u001b[200~${text}\u001b[201~`;

/** A conversation in a terminal. */
export type Talk = RunningCommand & {
  /** Where its history is. */
  readonly state: string;
  /** Types a line, and waits until what it brings is shown and the prompt is there again; returns that part. */
  say(line: string, shown: RegExp): Promise<string>;
  /** Waits until this is shown from the line on that was the last one before, and returns that part. */
  next(shown: RegExp): Promise<string>;
  /** All that the terminal shows. */
  screen(): string;
  /** Leaves by Ctrl-D. */
  leave(): Promise<void>;
};

/** Begins a conversation, in this process, in a terminal of 80 columns. */
export async function talkTo(
  t: TestContext,
  app: Pick<TestApp, "url" | "defer">,
  more: string[] = [],
  options: CommandOptions & { state?: string } = {},
): Promise<Talk> {
  const { state = stateFolder(t) } = options;
  const args = ["chat", "--url", app.url, ...more];
  const env = { XDG_STATE_HOME: state, ...options.env };
  const command = startCommand(t, args, { terminal: true, ...options, env });
  app.defer(command.close);
  const screen = createTerminalScreen();
  let written = 0;
  // All but the last line, where the prompt is, stays as it is.
  let from = 0;
  async function next(shown: RegExp): Promise<string> {
    await command.until((text) => {
      screen.write(text.slice(written));
      written = text.length;
      return shown.test(screen.text().slice(from));
    });
    const text = screen.text();
    const part = text.slice(from);
    from = text.lastIndexOf("\n") + 1;
    return part;
  }
  await next(/answers as [\s\S]*> $/);
  return {
    ...command,
    state,
    screen: () => screen.text(),
    next,
    say(line, shown) {
      command.type(`${line}\r`);
      return next(new RegExp(`${shown.source}(?:[\\s\\S]*\\n)?> $`));
    },
    async leave() {
      command.type(keys.ctrlD);
      assert.equal((await command.result()).code, 0);
    },
  };
}

/** A client beside the terminals. */
export function openClientOf(app: Pick<TestApp, "url" | "defer">): ChatClient {
  const [lane] = clientLanes;
  assert.ok(lane);
  return openClient(app, lane);
}

/** The session that changed last. */
export async function lastSession(client: ChatClient): Promise<string> {
  const { sessions } = await client.listSessions({ pageSize: 1 });
  return sessions[0]?.sessionId ?? "";
}

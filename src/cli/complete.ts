import type { ChatClient } from "../client/client.ts";
import type { ChatCommand } from "./commands.ts";
import { oneLine } from "./sanitize.ts";
import { nameOf } from "./sessions.ts";

/** A person waits for completions no longer. */
const completeTimeoutMs = 2_000;

/**
 * Completes commands, and the models and sessions that they take. A session is found by its id or by the words
 * that lists show of it. Never throws: without an answer there is nothing to complete.
 */
export function createCompleter(
  client: Pick<ChatClient, "listModels" | "listSessions">,
  commands: readonly ChatCommand[],
): (line: string) => Promise<[string[], string]> {
  return async (line) => {
    const [, name = "", argument] = /^(\/\S*)(?: +(.*))?$/.exec(line) ?? [];
    if (argument === undefined) {
      const names = commands.map((command) => `${command.name}${command.takes && " "}`);
      return [name === "" ? [] : names.filter((each) => each.startsWith(name)), line];
    }
    const command = commands.find((each) => each.name === name);
    const signal = AbortSignal.timeout(completeTimeoutMs);
    try {
      if (command?.completes === "model") {
        return [await findModels(client, argument, signal), argument];
      }
      if (command?.completes === "session") {
        return [await findSessions(client, argument, signal), argument];
      }
    } catch {
      // The next command says what is wrong with the server.
    }
    return [[], argument];
  };
}

async function findModels(
  client: Pick<ChatClient, "listModels">,
  start: string,
  signal: AbortSignal,
): Promise<string[]> {
  const { models } = await client.listModels({ signal });
  const ids = models.flatMap(({ modelId, aliases }) => [modelId, ...aliases]);
  return ids.filter((id) => id.startsWith(start) && id === oneLine(id));
}

async function findSessions(
  client: Pick<ChatClient, "listSessions">,
  start: string,
  signal: AbortSignal,
): Promise<string[]> {
  const { sessions } = await client.listSessions({ pageSize: 200 }, { signal });
  const byId = sessions.filter(({ sessionId }) => sessionId.startsWith(start));
  const words = start.toLowerCase();
  const found =
    byId.length > 0
      ? byId
      : sessions.filter((session) => nameOf(session).toLowerCase().includes(words));
  return found.map(({ sessionId }) => oneLine(sessionId));
}

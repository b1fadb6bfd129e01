// A conversation by chatwire's client library: each argument is one message. README.md, beside this file, says
// how to start it and what to try.
import { createNodeChatClient } from "../../src/client/node.ts";

const url = process.env.CHATWIRE_URL ?? "http://localhost:50051";
const modelId = process.env.CHATWIRE_MODEL ?? "";
const client = createNodeChatClient({ baseUrls: [url] });
let sessionId = "";

try {
  for (const message of process.argv.slice(2)) await ask(message);
} finally {
  await client.close();
}

/** Sends one message, in the session of the one before, and prints the reply as it comes. */
async function ask(message: string): Promise<void> {
  const sender = sessionId === "" ? client : client.session(sessionId);
  const turn = sender.send(message, {
    modelId,
    onConnection({ state }) {
      if (state === "lost") console.error("(no connection; trying again)");
    },
  });
  for await (const event of turn.events) process.stdout.write(event.chunkText);
  console.log();
  const { failure } = await turn.result();
  if (failure) console.error(`${failure.reason}: ${failure.message}`);
  ({ sessionId } = turn);
}

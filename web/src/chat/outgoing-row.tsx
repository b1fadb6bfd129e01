import { ChatRequest_Type as RequestType } from "../../../src/gen/chat/chat_pb.ts";
import { errorWords, mayWorkLater } from "../client/error-words.ts";
import { hasMessage, type OutboxEntry } from "../session/outbox-entry.ts";
import { Icon } from "../ui/icon.tsx";
import { WaitingRow } from "./turn-rows.tsx";
import type { Chat } from "./use-chat.ts";

/** A message on its way, or one that did not arrive. */
export function OutgoingRow({ entry, chat }: { entry: OutboxEntry; chat: Chat }) {
  const { state } = entry;
  return (
    <>
      {hasMessage(entry) && (
        <div className="message" data-role="user" data-state={state}>
          <div className="bubble" dir="auto">
            {entry.text}
          </div>
        </div>
      )}
      {state === "sending" && entry.error !== undefined && (
        <p className="queued" role="status">
          {waitingWords(entry)}
          {errorWords(entry.error)} Trying again…{" "}
          <button type="button" className="quiet" onClick={() => chat.withdraw(entry.requestId)}>
            Withdraw
          </button>
        </p>
      )}
      {isGoing(entry) && entry.error === undefined && <WaitingRow model="The model" />}
      {(state === "refused" || state === "unknown") && <Undelivered entry={entry} chat={chat} />}
    </>
  );
}

/** What an entry is called where its row does not show it, and what is done to it. */
const named: Readonly<Partial<Record<RequestType, readonly [subject: string, done: string]>>> = {
  [RequestType.EDIT]: ["Your edit", "sent"],
  [RequestType.REGENERATE]: ["Another reply", "asked for"],
  [RequestType.CONTINUE]: ["The rest of the reply", "asked for"],
};

function waitingWords({ type }: OutboxEntry): string {
  const [subject, done] = named[type] ?? [];
  return subject === undefined ? "" : `${subject} is being ${done}. `;
}

function undeliveredWords({ type, state }: OutboxEntry): string {
  const [subject = "This", done = "sent"] = named[type] ?? [];
  if (state === "unknown") return `${subject} may not have been ${done}`;
  return named[type] === undefined ? "Not sent" : `${subject} was not ${done}`;
}

function isGoing({ state }: OutboxEntry): boolean {
  return state === "sending" || state === "sent";
}

function Undelivered({ entry, chat }: { entry: OutboxEntry; chat: Chat }) {
  const isUnknown = entry.state === "unknown";
  const mayWork = isUnknown || mayWorkLater(entry.error);
  return (
    <div className="card" data-tone="error" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{undeliveredWords(entry)}</strong>
        <p>{errorWords(entry.error)}</p>
        {isUnknown && <p className="small">You can safely send it again: it is answered once.</p>}
      </div>
      {mayWork && (
        <button type="button" onClick={() => chat.sendAgain(entry.requestId)}>
          Send again
        </button>
      )}
      {!mayWork && hasMessage(entry) && (
        <button type="button" onClick={() => chat.takeBack(entry)}>
          Edit
        </button>
      )}
      <button type="button" className="quiet" onClick={() => chat.discard(entry.requestId)}>
        Discard
      </button>
    </div>
  );
}

import { errorWords } from "../client/error-words.ts";
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
          <div className="bubble">{entry.text}</div>
        </div>
      )}
      {state === "sending" && entry.error !== undefined && (
        <p className="queued" role="status">
          {errorWords(entry.error)} Trying again…{" "}
          <button type="button" className="quiet" onClick={() => chat.withdraw(entry.requestId)}>
            Withdraw
          </button>
        </p>
      )}
      {(state === "sending" || state === "sent") && <WaitingRow model="The model" />}
      {(state === "refused" || state === "unknown") && <Undelivered entry={entry} chat={chat} />}
    </>
  );
}

function Undelivered({ entry, chat }: { entry: OutboxEntry; chat: Chat }) {
  const isUnknown = entry.state === "unknown";
  return (
    <div className="card" data-tone="error" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{isUnknown ? "Nobody can tell whether it arrived" : "Not sent"}</strong>
        <p>{errorWords(entry.error)}</p>
        {isUnknown && (
          <p className="small">Sending it again is safe: it is never answered twice.</p>
        )}
      </div>
      <button type="button" onClick={() => chat.sendAgain(entry.requestId)}>
        Send again
      </button>
      <button type="button" className="quiet" onClick={() => chat.discard(entry.requestId)}>
        Discard
      </button>
    </div>
  );
}

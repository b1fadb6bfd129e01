import { finishWords, wordsOfServer } from "../session/finish-words.ts";
import { canContinue, type MessageView } from "../session/session-view.ts";
import { usageWords } from "./usage-words.ts";
import type { Chat } from "./use-chat.ts";

/** How a reply ended, where that is worth a word, and what it cost. */
export function ReplyEnd({
  message,
  chat,
  isLast,
}: {
  message: MessageView;
  chat: Chat;
  isLast: boolean;
}) {
  if (message.state === "streaming") return null;
  const words = finishWords(message.finishReason, message.errorReason);
  const more = wordsOfServer(message.errorReason, message.errorMessage);
  const mayContinue = isLast && !chat.isBusy && canContinue(message);
  const isError = message.errorReason !== "";
  return (
    <>
      {words !== undefined && (
        <div
          className="card"
          data-tone={isError ? "error" : "calm"}
          role={isError ? "alert" : "note"}
        >
          <div>
            <strong>{words.title}</strong>
            <p>{words.detail}</p>
            {more !== "" && <p className="small">{more}</p>}
          </div>
          {isError && isLast && !chat.isBusy && (
            <button type="button" onClick={() => chat.regenerate(message.id)}>
              Try again
            </button>
          )}
          {mayContinue && (
            <button type="button" onClick={() => chat.goOn(message.id)}>
              Continue
            </button>
          )}
        </div>
      )}
      <p className="usage">{usageWords(message)}</p>
    </>
  );
}

import { FinishReason } from "../../../src/gen/chat/chat_pb.ts";
import { finishWords, wordsOfServer } from "../session/finish-words.ts";
import type { FailedTurn } from "../session/session-view.ts";
import { Icon } from "../ui/icon.tsx";

/** The model was asked, and has said nothing yet. */
export function WaitingRow({ model }: { model: string }) {
  return (
    <div className="message" data-role="model">
      <p className="waiting">
        <span className="dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
        <span className="visually-hidden">{model} is thinking.</span>
      </p>
    </div>
  );
}

/** The latest turn ended without a reply. */
export function FailedRow({
  failed,
  onRegenerate,
}: {
  failed: FailedTurn;
  onRegenerate: () => void;
}) {
  const { finishReason, errorReason, errorMessage } = failed;
  const words = finishWords(finishReason, errorReason);
  const more = words && wordsOfServer(errorReason, errorMessage);
  const isCalm = finishReason === FinishReason.CANCELLED;
  return (
    <div className="card" data-tone={isCalm ? "calm" : "error"} role={isCalm ? "note" : "alert"}>
      <Icon name="alert" />
      <div>
        <strong>
          {isCalm ? "Stopped before a reply came" : (words?.title ?? "No reply came")}
        </strong>
        {!isCalm && <p>{words?.detail ?? errorMessage}</p>}
        {errorReason !== "" && more && <p className="small">{more}</p>}
      </div>
      <button type="button" onClick={onRegenerate}>
        Try again
      </button>
    </div>
  );
}

/** The last message was never answered; why is no longer known. */
export function UnansweredRow({ onRegenerate }: { onRegenerate: () => void }) {
  return (
    <div className="card" data-tone="calm" role="note">
      <Icon name="alert" />
      <div>
        <strong>No reply came</strong>
        <p>The turn of this message ended before the model said anything.</p>
      </div>
      <button type="button" onClick={onRegenerate}>
        Try again
      </button>
    </div>
  );
}

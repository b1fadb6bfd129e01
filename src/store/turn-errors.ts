import { ChatError } from "../chat/errors.ts";
import type { TurnEnd } from "../chat/turn.ts";

/** The turn was acquired by somebody else, or by nobody: its end is not this writer's to store. */
export function staleFence({ turnId, fence }: TurnEnd): ChatError {
  const message = `turn "${turnId}" was not acquired with fence ${fence}`;
  return new ChatError("aborted", "STALE_FENCE", message, { metadata: { turn_id: turnId } });
}

export function turnNotFound({ turnId }: TurnEnd): ChatError {
  return new ChatError("not_found", "TURN_NOT_FOUND", `there is no turn "${turnId}"`, {
    metadata: { turn_id: turnId },
  });
}

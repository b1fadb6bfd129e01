import { createNotices, type Notices } from "../ui/notices.ts";
import { createForks, type Forks, type ForksOptions } from "./forks.ts";
import { createRenames, type Renames, type RenamesOptions } from "./renames.ts";

/**
 * What one caller does, and is told of it. The next one gets another: whatever is still under way then tells the
 * notices that it was begun with, which nobody sees any more.
 */
export type CallerActions = {
  readonly notices: Notices;
  readonly forks: Forks;
  readonly renames: Renames;
  /** Leaves what is under way. */
  close(): void;
};

/** Makes the actions of the caller who comes now. */
export function createCallerActions(
  options: Omit<ForksOptions & RenamesOptions, "notices" | "signal">,
): CallerActions {
  const leave = new AbortController();
  const notices = createNotices();
  const shared = { ...options, notices, signal: leave.signal };
  return {
    notices,
    forks: createForks(shared),
    renames: createRenames(shared),
    close: () => leave.abort(),
  };
}

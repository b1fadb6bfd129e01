import { createObservable, type Observable } from "../client/observable.ts";

/** A short word at the edge of the page. */
export type Notice = {
  readonly id: number;
  /** The title of a chat, said in quotation marks before `text`; whatever is in it stays within them. */
  readonly title?: string;
  readonly text: string;
  readonly tone: "info" | "error";
  readonly action?: { readonly label: string; readonly run: () => void };
};

/** The notices of one caller: what is told here after another one has come is seen by nobody. */
export interface Notices {
  readonly list: Observable<readonly Notice[]>;
  /** Shows it for `ms` milliseconds, by default 5,000; Infinity: until it is dismissed. Returns its id. */
  tell(notice: Omit<Notice, "id"> & { ms?: number }): number;
  dismiss(id: number): void;
}

/** Makes a caller's notices. */
export function createNotices(): Notices {
  const list = createObservable<readonly Notice[]>([]);
  let lastId = 0;
  const dismiss = (id: number) => list.set(list.get().filter((notice) => notice.id !== id));
  return {
    list,
    tell({ ms = 5_000, ...notice }) {
      lastId += 1;
      const id = lastId;
      list.set([...list.get(), { ...notice, id }]);
      // A timer that is told Infinity does not wait.
      if (ms < Infinity) setTimeout(() => dismiss(id), ms);
      return id;
    },
    dismiss,
  };
}

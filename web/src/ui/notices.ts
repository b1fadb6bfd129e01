import { createObservable, type Observable } from "../client/observable.ts";

/** A short word at the edge of the page, which goes by itself. */
export type Notice = {
  readonly id: number;
  readonly text: string;
  readonly tone: "info" | "error";
  readonly action?: { readonly label: string; readonly run: () => void };
};

export interface Notices {
  readonly list: Observable<readonly Notice[]>;
  /** Shows it for `ms` milliseconds, by default 5,000. */
  tell(notice: Omit<Notice, "id"> & { ms?: number }): void;
  dismiss(id: number): void;
  clear(): void;
}

/** Makes the page's notices. */
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
      setTimeout(() => dismiss(id), ms);
    },
    dismiss,
    clear: () => list.set([]),
  };
}

/** Reads a stream until `signal` aborts. Rejects never; resolves early where there is nothing to read. */
export type StreamReader = (signal: AbortSignal) => Promise<void>;

/** Whether somebody can see the page; `document` tells. */
export type PageVisibility = {
  isVisible(): boolean;
  /** Calls back when the page is shown or hidden; returns what ends that. */
  subscribe(listener: () => void): () => void;
};

/**
 * The one stream that this tab may have open. On plain HTTP/1.1 a browser gives all tabs of an origin six
 * connections, so a tab that nobody sees has none, and sending borrows the place of reading.
 */
export interface TabStream {
  /** Reads with this reader, again after each time the place was taken away, until the result is called. */
  read(reader: StreamReader): () => void;
  /** Takes the place for another call; the result gives it back. */
  borrow(): () => void;
  close(): void;
}

/** Makes the tab's place for one stream. */
export function createTabStream(visibility: PageVisibility): TabStream {
  let reader: StreamReader | undefined;
  let open: AbortController | undefined;
  let borrowers = 0;
  const unsubscribe = visibility.subscribe(settle);

  /** Opens or closes the stream, as it should be now. */
  function settle(): void {
    const mayRead = borrowers === 0 && visibility.isVisible();
    if (!mayRead) {
      open?.abort();
    } else if (reader !== undefined && open === undefined) {
      void run(reader);
    }
  }

  async function run(current: StreamReader): Promise<void> {
    const controller = new AbortController();
    open = controller;
    await current(controller.signal);
    open = undefined;
    const wasCut = controller.signal.aborted;
    // One that ended by itself has nothing more to read.
    if (!wasCut && reader === current) reader = undefined;
    settle();
  }

  return {
    read(next) {
      reader = next;
      open?.abort();
      settle();
      return () => {
        if (reader !== next) return;
        reader = undefined;
        open?.abort();
      };
    },
    borrow() {
      let returned = false;
      borrowers += 1;
      settle();
      return () => {
        if (returned) return;
        returned = true;
        borrowers -= 1;
        settle();
      };
    },
    close() {
      unsubscribe();
      reader = undefined;
      open?.abort();
    },
  };
}

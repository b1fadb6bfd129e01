import type { PageVisibility } from "./tab-stream.ts";

/** The document's visibility; a page in the back-forward cache is hidden too. */
export function documentVisibility(page: Document, window: EventTarget): PageVisibility {
  let isCached = false;
  return {
    isVisible: () => page.visibilityState === "visible" && !isCached,
    subscribe(listener) {
      const onHide = () => {
        isCached = true;
        listener();
      };
      const onShow = () => {
        isCached = false;
        listener();
      };
      page.addEventListener("visibilitychange", listener);
      window.addEventListener("pagehide", onHide);
      window.addEventListener("pageshow", onShow);
      return () => {
        page.removeEventListener("visibilitychange", listener);
        window.removeEventListener("pagehide", onHide);
        window.removeEventListener("pageshow", onShow);
      };
    },
  };
}

import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { type ChatClient, createChatClient } from "./client.ts";
import type { Endpoint } from "./endpoints.ts";
import type { ChatClientOptions } from "./options.ts";

/** How a browser talks to one server. */
export type WebEndpointOptions = {
  /** Such as location.origin. */
  baseUrl: string;
  /** Default connect. */
  protocol?: "connect" | "grpc-web";
  /** JSON on the wire, readable in the browser's tools. Default false. Connect only. */
  json?: boolean;
  /** Instead of the page's own fetch, for cookies or a service worker. */
  fetch?: typeof globalThis.fetch;
};

/** An endpoint for browsers, over fetch. */
export function createWebEndpoint({
  baseUrl,
  protocol = "connect",
  json = false,
  fetch,
}: WebEndpointOptions): Endpoint {
  const shared = { baseUrl, ...(fetch && { fetch }) };
  const transport =
    protocol === "connect"
      ? createConnectTransport({ ...shared, useBinaryFormat: !json })
      : createGrpcWebTransport(shared);
  return { name: baseUrl, transport };
}

/** A chat client for browsers, over one endpoint for each base URL; it wakes with its page. */
export function createWebChatClient({
  baseUrls,
  ...options
}: Omit<ChatClientOptions, "endpoints"> &
  Omit<WebEndpointOptions, "baseUrl"> & { baseUrls: readonly string[] }): ChatClient {
  const endpoints = baseUrls.map((baseUrl) => createWebEndpoint({ ...options, baseUrl }));
  const client = createChatClient({ ...options, endpoints });
  const stopWaking = wakeWithPage(client);
  return {
    ...client,
    close() {
      stopWaking();
      return client.close();
    },
  };
}

/**
 * Wakes the client when the page comes back to the front, the network comes back, or the page is restored
 * from the back-forward cache: browsers stop timers and cut streams in between. Returns what undoes it.
 */
export function wakeWithPage(client: Pick<ChatClient, "wake">, page: Page = globalThis as Page) {
  const { document } = page;
  const onVisible = () => {
    if (document?.visibilityState === "visible") client.wake();
  };
  const wake = () => client.wake();
  page.addEventListener?.("online", wake);
  page.addEventListener?.("pageshow", wake);
  document?.addEventListener("visibilitychange", onVisible);
  return () => {
    page.removeEventListener?.("online", wake);
    page.removeEventListener?.("pageshow", wake);
    document?.removeEventListener("visibilitychange", onVisible);
  };
}

/** What is used of a window; workers have no document. */
export type Page = Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> & {
  document?: Pick<EventTarget, "addEventListener" | "removeEventListener"> & {
    visibilityState: string;
  };
};

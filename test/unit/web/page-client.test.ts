import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import { ChatResponseSchema, ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { createCredential } from "../../../web/src/client/credential.ts";
import { createPageClient } from "../../../web/src/client/page-client.ts";

const { listSessions, watchSession } = ChatService.method;
const refusal = () => new ConnectError("no", Code.Unauthenticated);

/**
 * A page's client, and a server within the process that takes no credential but "good". It refuses any other
 * when `answer` is called, and `isReached` says that it was shown one; where `isOpenFirst` a stream has had an event
 * by then.
 */
function openPage(t: TestContext, { isOpenFirst = false } = {}) {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const isGood = ({ requestHeader }: HandlerContext) =>
    requestHeader.get("authorization") === "Bearer good";
  const judge = async (context: HandlerContext) => {
    if (isGood(context)) return;
    reached.resolve();
    await held.promise;
    throw refusal();
  };
  const event = create(ChatResponseSchema, { updateType: "live" });
  const router = createConnectRouter().service(ChatService, {
    async listSessions(_request, context) {
      await judge(context);
      return {};
    },
    async *watchSession(_request, context) {
      if (isOpenFirst || isGood(context)) yield event;
      await judge(context);
      yield event;
    },
  });
  const handlers = new Map(
    router.handlers.map((handler) => [handler.requestPath, createFetchHandler(handler)]),
  );
  t.mock.method(globalThis, "fetch", async (url: string, init: RequestInit) => {
    const handler = handlers.get(new URL(url).pathname);
    assert.ok(handler !== undefined, url);
    return fetchFrom(handler, new Request(url, init));
  });
  const kept = new Map<string, string>();
  const credential = createCredential({
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => void kept.set(name, text),
    removeItem: (name) => void kept.delete(name),
  });
  let changes = 0;
  credential.state.subscribe(() => {
    changes += 1;
  });
  const client = createPageClient("http://page.test", credential);
  t.after(() => client.chat.close());
  const { transport } = client;
  const calls = {
    unary: () => transport.unary(listSessions, undefined, undefined, undefined, {}),
    async stream(signal?: AbortSignal) {
      const opened = await transport.stream(watchSession, signal, undefined, undefined, once({}));
      return Array.fromAsync(opened.message, ({ updateType }) => updateType);
    },
  };
  const { promise: isReached } = reached;
  return {
    ...client,
    credential,
    calls,
    kept,
    isReached,
    answer: held.resolve,
    changes: () => changes,
  };
}

/** As fetch does it: who leaves by the signal waits for nothing more. */
async function fetchFrom(
  handler: ReturnType<typeof createFetchHandler>,
  request: Request,
): Promise<Response> {
  const { signal } = request;
  const left = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => left.reject(signal.reason));
  signal.throwIfAborted();
  const response = await Promise.race([handler(request), left.promise]);
  const body = response.body?.pipeThrough(new TransformStream(), { signal }) ?? null;
  return new Response(body, response);
}

async function* once<T>(value: T): AsyncIterable<T> {
  yield value;
}

const cases = [
  { what: "a call", kind: "unary", isOpenFirst: false },
  { what: "the opening of a stream", kind: "stream", isOpenFirst: false },
  { what: "a stream that was open", kind: "stream", isOpenFirst: true },
] as const;

for (const { what, kind, isOpenFirst } of cases) {
  test(`${what} that is refused takes the key away that it was made with`, async (t) => {
    const { credential, calls, kept, answer } = openPage(t, { isOpenFirst });
    credential.set("revoked");
    const call = calls[kind]();
    answer();
    await assert.rejects(call, { code: Code.Unauthenticated });
    assert.deepEqual(credential.state.get(), { token: "", demand: "refused" });
    assert.equal(kept.size, 0);
  });

  test(`${what} that is refused leaves a key alone that came after it`, async (t) => {
    for (const next of ["good", "revoked"]) {
      const { credential, calls, kept, isReached, answer } = openPage(t, { isOpenFirst });
      credential.set("revoked");
      const call = calls[kind]();
      await isReached;
      credential.set(next);
      answer();
      await assert.rejects(call, { code: Code.Unauthenticated });
      assert.deepEqual(credential.state.get(), { token: next, demand: "none" });
      assert.deepEqual([...kept.values()], [next]);
    }
  });

  test(`${what} that is refused after somebody has signed out changes nothing`, async (t) => {
    const { credential, calls, isReached, answer } = openPage(t, { isOpenFirst });
    credential.set("revoked");
    const call = calls[kind]();
    await isReached;
    credential.signOut();
    answer();
    await assert.rejects(call, { code: Code.Unauthenticated });
    assert.deepEqual(credential.state.get(), { token: "", demand: "wanted" });
  });
}

test("calls that are refused together are one refusal", async (t) => {
  for (const [token, demand] of [
    ["revoked", "refused"],
    ["", "wanted"],
  ] as const) {
    const { credential, chat, calls, answer, changes } = openPage(t);
    if (token !== "") credential.set(token);
    const before = changes();
    const all = [calls.unary(), calls.stream(), chat.listSessions(), calls.unary()];
    answer();
    const settled = await Promise.allSettled(all);
    assert.ok(settled.every(({ status }) => status === "rejected"));
    assert.deepEqual(credential.state.get(), { token: "", demand });
    assert.equal(changes() - before, 1);
  }
});

test("who is asked for a key after a refusal is told of it, whatever is called meanwhile", async (t) => {
  const { credential, calls, answer } = openPage(t);
  answer();
  credential.set("revoked");
  await assert.rejects(calls.unary());
  await assert.rejects(calls.unary());
  assert.deepEqual(credential.state.get(), { token: "", demand: "refused" });
});

test("the client notices what is refused as the transport does", async (t) => {
  const { credential, chat, answer } = openPage(t);
  answer();
  credential.set("revoked");
  await assert.rejects(chat.listSessions(), { code: Code.Unauthenticated });
  assert.equal(credential.state.get().demand, "refused");
});

test("a stream with a good key is passed on", async (t) => {
  const { credential, calls } = openPage(t);
  credential.set("good");
  assert.deepEqual(await calls.stream(), ["live", "live"]);
  assert.deepEqual(credential.state.get(), { token: "good", demand: "none" });
});

test("to leave a stream is no refusal", async (t) => {
  const { credential, calls, isReached } = openPage(t, { isOpenFirst: true });
  credential.set("revoked");
  const leave = new AbortController();
  const call = calls.stream(leave.signal);
  await isReached;
  leave.abort();
  await assert.rejects(call, { code: Code.Canceled });
  assert.deepEqual(credential.state.get(), { token: "revoked", demand: "none" });
});

test("a key that is tried takes none away, and one that is not tried to the end was not taken", async (t) => {
  const { credential, tryToken, answer } = openPage(t);
  credential.set("good");
  const leave = new AbortController();
  const left = tryToken("mistyped", leave.signal);
  leave.abort();
  await assert.rejects(left, { code: Code.Canceled });
  answer();
  await assert.rejects(tryToken("mistyped"), { code: Code.Unauthenticated });
  await tryToken("good");
  assert.deepEqual(credential.state.get(), { token: "good", demand: "none" });
});

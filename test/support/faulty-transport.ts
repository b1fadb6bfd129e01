import { Code, ConnectError, type Transport } from "@connectrpc/connect";

/** What happens to one stream on its way. */
export type Fault = {
  /** Cut after so many messages, with the code that a cut has on some protocol. */
  cutAfter?: number;
  code?: Code;
  /** Cut before the server sees the request. */
  refused?: boolean;
  /** Deliver nothing more after so many messages, and no end. */
  silentAfter?: number;
  /** Deliver each of the first messages twice. */
  twice?: number;
};

/** A transport whose streams suffer what `next` says, one after another. */
export function createFaultyTransport(inner: Transport, next: () => Fault): Transport {
  return {
    unary: inner.unary.bind(inner),
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const fault = next();
      const cut = () => new ConnectError("cut", fault.code ?? Code.Aborted);
      if (fault.refused === true) throw cut();
      const inside = new AbortController();
      const signals = [inside.signal, ...(signal === undefined ? [] : [signal])];
      const response = await inner.stream(
        method,
        AbortSignal.any(signals),
        timeoutMs,
        header,
        input,
        contextValues,
      );
      const { message } = response;
      async function* suffer() {
        let count = 0;
        for await (const each of message) {
          if (count === fault.cutAfter) break;
          if (count === fault.silentAfter) await new Promise(() => {});
          yield each;
          if (count < (fault.twice ?? 0)) yield each;
          count += 1;
        }
        if (fault.cutAfter === undefined) return;
        inside.abort();
        throw cut();
      }
      return { ...response, message: suffer() };
    },
  };
}

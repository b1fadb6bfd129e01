const header = "grpc-message";

/**
 * The trailer with its grpc-message written as gRPC says (gRPC over HTTP2, Percent-Encoded): of what is printable in
 * ASCII only the percent sign is encoded. Connect encodes as for a URL's query, and clients that decode as for a
 * URL (grpc-js) show `%3A` and `%2C` for a colon and a comma.
 */
export function withPlainMessage(trailer: Headers): Headers {
  const encoded = trailer.get(header);
  if (encoded !== null) trailer.set(header, plain(encoded));
  return trailer;
}

function plain(encoded: string): string {
  return (
    encoded
      .replaceAll(/%([2-7][0-9A-F])/g, (code, hex: string) => {
        const character = String.fromCharCode(Number.parseInt(hex, 16));
        return character === "%" || character === "\x7f" ? code : character;
      })
      // What HTTP trims.
      .replaceAll(/^ | $/g, "%20")
  );
}

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withPlainMessage } from "../../../src/service/grpc-message.ts";

/** As Connect writes it. */
const trailerOf = (text: string) => new Headers({ "grpc-message": encodeURIComponent(text) });

const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string(),
  fc.stringMatching(/^[ %:,A-F0-9]{0,12}$/),
);

test("a message is read as it was meant, and what is printable stands for itself", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const trailer = withPlainMessage(trailerOf(text));
      const plain = trailer.get("grpc-message") ?? "";
      assert.equal(decodeURIComponent(plain), text);
      assert.match(plain, /^[\x20-\x7e]*$/);
      assert.doesNotMatch(plain.replaceAll(/^%20|%20$/g, ""), /%(?!25|7F)[2-7]/);
      assert.equal(withPlainMessage(trailer).get("grpc-message"), plain, "a second time too");
    }),
  );
});

test("colons, commas and slashes are not encoded, percent signs and spaces at the ends are", () => {
  const trailer = withPlainMessage(trailerOf(" 100% of https://a.b/c, or: é "));
  assert.equal(trailer.get("grpc-message"), "%20100%25 of https://a.b/c, or: %C3%A9%20");
});

test("a trailer without a message stays as it is", () => {
  assert.deepEqual(
    [...withPlainMessage(new Headers({ "grpc-status": "0" }))],
    [["grpc-status", "0"]],
  );
});

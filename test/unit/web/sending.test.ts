import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { limits } from "../../../src/chat/limits.ts";
import { isSendKey } from "../../../web/src/chat/send-key.ts";
import { messageBytesMax, tooLongWords } from "../../../web/src/chat/too-long.ts";
import { errorWords, mayWorkLater } from "../../../web/src/client/error-words.ts";

test("a message is measured as the server does, in bytes of UTF-8", () => {
  assert.equal(messageBytesMax, limits.messageBytesMax);
  assert.equal(tooLongWords("x".repeat(messageBytesMax)), undefined);
  assert.equal(tooLongWords("é".repeat(messageBytesMax / 2)), undefined);
  for (const letter of ["x", "é", "€", "🙂"]) {
    const bytes = Buffer.byteLength(letter);
    const text = letter.repeat(Math.floor(messageBytesMax / bytes) + 1);
    assert.equal(
      tooLongWords(text),
      "This message is too long: 1,024 kB at most, and it has 1 kB more.",
    );
  }
});

test("a refusal is said without the names of fields", () => {
  const words = (text: string) => errorWords(wireError(text, Code.InvalidArgument));
  assert.equal(words("message: is over 1048576 bytes"), "This message is over 1,048,576 bytes.");
  assert.equal(words("page_size: must not be negative"), "Page size must not be negative.");
  assert.equal(words("no such thing: here"), "No such thing: here.");
});

test("what was refused for what it is cannot work later, and what was refused for now can", () => {
  const refused = [Code.InvalidArgument, Code.PermissionDenied, Code.NotFound];
  const later = [Code.Unavailable, Code.ResourceExhausted, Code.FailedPrecondition];
  for (const code of refused) assert.equal(mayWorkLater(wireError("no", code)), false);
  for (const code of later) assert.equal(mayWorkLater(wireError("no", code)), true);
});

test("Enter sends unless it makes a line or an input method has it", () => {
  const enter = { key: "Enter", shiftKey: false, isComposing: false, keyCode: 13 };
  assert.equal(isSendKey(enter), true);
  for (const other of [
    { key: "a" },
    { shiftKey: true },
    { isComposing: true, keyCode: 229 },
    { keyCode: 229 },
  ]) {
    assert.equal(isSendKey({ ...enter, ...other }), false);
  }
});

/** As it comes from a server. */
function wireError(text: string, code: Code): ConnectError {
  return Object.assign(new ConnectError(text, code), { isWireError: true });
}

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { ChatError, invalidArgument, storageUnavailable } from "../../../src/chat/errors.ts";
import { ModelError } from "../../../src/chat/model.ts";
import { describeError } from "../../../src/observability/describe-error.ts";

const said = "what somebody said";

/** What JSON.parse says of a text that is no JSON: it repeats it. */
function syntaxError(): unknown {
  try {
    return JSON.parse(said);
  } catch (error) {
    return error;
  }
}

describe("an error in the log", () => {
  it("has no message where that may repeat what somebody said, in its causes and its stack neither", () => {
    const errors = [
      syntaxError(),
      new ModelError("internal", "MODEL_FAILED", said, { cause: syntaxError() }),
      invalidArgument([{ field: said, description: said }]),
      new ConnectError(said),
      new Error(said),
      Object.assign(new Error(said), { code: "ERR_INVALID_ARG_VALUE", input: said }),
      new ChatError("internal", "INTERNAL", "internal error", { cause: new Error(said) }),
      said,
    ];
    for (const error of errors) {
      assert.ok(!JSON.stringify(describeError(error, false)).includes(said), String(error));
      assert.ok(JSON.stringify(describeError(error, true)).includes(said), String(error));
    }
  });

  it("keeps what the disk, the network and our own faults say, with the place", () => {
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const described = describeError(storageUnavailable(full), false);
    assert.equal(described.reason, "STORAGE_UNAVAILABLE");
    assert.deepEqual([described.cause?.message, described.cause?.code], [full.message, "ENOSPC"]);
    const fault = describeError(new TypeError("x is not a function"), false);
    assert.equal(fault.message, "x is not a function");
    assert.match(fault.stack ?? "", /^ {4}at .*describe-error\.test\.ts/);
  });

  it("keeps what OpenSSL says of a file, which repeats nothing of it", () => {
    const certificate = `-----BEGIN CERTIFICATE-----\n${said}\n-----END CERTIFICATE-----\n`;
    assert.throws(
      () => new X509Certificate(certificate),
      (error: Error) => {
        const described = describeError(error, false);
        assert.equal(described.message, error.message);
        assert.match(described.code ?? "", /^ERR_OSSL_/);
        assert.ok(!JSON.stringify(described).includes(said));
        return true;
      },
    );
  });

  it("ends with its fifth cause, even where the causes go round", () => {
    const error = new Error("round");
    error.cause = error;
    let depth = 0;
    for (let one = describeError(error, false); one.cause; one = one.cause) depth += 1;
    assert.equal(depth, 4);
  });
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import type { DescFile } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { root } from "./buf.ts";
import { readContract } from "./contract.ts";

describe("the contract file", async () => {
  const { file, comments } = await readContract();

  it("imports nothing, so that it is all a client needs", () => {
    assert.deepEqual(file.proto.dependency, []);
  });

  it("says what every service, RPC, message, field, enum and enum value means", () => {
    const silent = declarationsOf(file).filter((name) => !/\w.*\.$/.test(comments.get(name) ?? ""));
    assert.deepEqual(silent, []);
  });

  it("declares the read-only RPCs, and no others, free of side effects", () => {
    const methods = file.services.flatMap((service) => service.methods);
    const declared = methods
      .filter(({ idempotency }) => idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS)
      .map(({ name }) => name);
    const readOnly = methods
      .map(({ name }) => name)
      .filter((name) => /^(Get|List)/.test(name) || name === "Health");
    assert.deepEqual(declared, readOnly);
    assert.ok(readOnly.includes("GetSessionInfo") && readOnly.includes("ListModels"));
  });

  it("gives the generators of other languages their packages", () => {
    const options = file.proto.options;
    for (const option of [
      "csharpNamespace",
      "goPackage",
      "javaOuterClassname",
      "javaPackage",
      "objcClassPrefix",
      "phpMetadataNamespace",
      "phpNamespace",
      "rubyPackage",
      "swiftPrefix",
    ] as const) {
      assert.ok(options?.[option], `${option} is missing`);
    }
    assert.equal(options?.javaMultipleFiles, true);
  });

  it("names no error reason that the domain does not have", async () => {
    const reasons = await domainErrorReasons();
    const named = [...comments].flatMap(([name, comment]) =>
      [...comment.matchAll(namedReasons)].flatMap(([, list = ""]) =>
        list.split(/, /).map((reason) => ({ name, reason })),
      ),
    );
    assert.ok(named.length > 20, `only ${named.length} reasons were found`);
    assert.deepEqual(
      named.filter(({ reason }) => !reasons.has(reason)),
      [],
    );
  });

  it("names every reason for which a model can fail a turn", async () => {
    const comment = comments.get("chat.ChatService.StreamChat") ?? "";
    const modelReasons = [...(await domainErrorReasons())].filter((r) => r.startsWith("MODEL_"));
    assert.deepEqual(
      modelReasons.filter((reason) => !comment.includes(reason)),
      [],
    );
  });
});

/** The full names of everything that can carry a comment. */
function declarationsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((desc) => {
    switch (desc.kind) {
      case "message":
        return [desc, ...desc.members].map(fullName);
      case "enum":
        return [desc, ...desc.values].map(fullName);
      case "service":
        return [desc, ...desc.methods].map(fullName);
      default:
        throw new Error(`the contract has an ${desc.kind}, whose comment nobody checks`);
    }
  });
}

function fullName(desc: { typeName: string } | { parent: { typeName: string }; name: string }) {
  return "typeName" in desc ? desc.typeName : `${desc.parent.typeName}.${desc.name}`;
}

/** A status code with its reasons: `UNAVAILABLE (STORAGE_UNAVAILABLE, SERVER_DRAINING)`. */
const namedReasons = /\b[A-Z]+(?:_[A-Z]+)* \(([A-Z_]+(?:, [A-Z_]+)*)\)/g;

/** They are types, gone when the program runs, so they are read from the source. */
async function domainErrorReasons(): Promise<Set<string>> {
  const source = await readFile(`${root}/src/chat/errors.ts`, "utf8");
  const reasons = [...source.matchAll(/\| "([A-Z_]+)"/g)].map(([, reason = ""]) => reason);
  assert.ok(reasons.includes("SESSION_NOT_FOUND") && reasons.includes("MODEL_FAILED"));
  return new Set(reasons);
}

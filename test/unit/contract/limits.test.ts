import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { limits } from "../../../src/chat/limits.ts";
import { readContract } from "./contract.ts";

describe("the bounds in the contract's comments", async () => {
  const { file, comments } = await readContract();
  const bounds = [...comments].flatMap(([declaration, comment]) => boundsIn(declaration, comment));

  it("carry the numbers that the server applies", () => {
    const wrong = bounds.filter(({ limit, value }) => numberOf(limit) !== value);
    assert.deepEqual(wrong, []);
  });

  it("stand behind a number wherever a limit is named", () => {
    const names = [...comments.values()].flatMap((comment) => comment.match(limitName) ?? []);
    assert.equal(bounds.length, names.length);
  });

  it("leave no limit out", () => {
    const named = new Set(bounds.map(({ limit }) => limit));
    assert.deepEqual(
      Object.keys(limits).filter((limit) => !named.has(limit)),
      [],
    );
  });

  it("are in the unit of the limit's name", () => {
    const wrong = bounds.filter(
      ({ limit, unit }) =>
        limit.includes("Bytes") !== unit.includes("bytes") ||
        limit.includes("Characters") !== unit.includes("characters"),
    );
    assert.deepEqual(wrong, []);
  });

  it("cover every text, list and map that a client can send", () => {
    const bounded = new Set(bounds.map(({ declaration }) => declaration));
    const boundless = [...sentMessages(file.services.flatMap(({ methods }) => methods))]
      .flatMap(({ fields }) => fields)
      .filter(canBeLarge)
      .map((field) => `${field.parent.typeName}.${field.name}`)
      .filter((field) => !bounded.has(field));
    assert.deepEqual(boundless.toSorted(), [...ofUnimplementedRequests, ...enumerated].toSorted());
  });
});

/** Requests with these are answered UNIMPLEMENTED; each gets its bound with its feature. */
const ofUnimplementedRequests = [
  "chat.Attachment.attachment_id",
  "chat.Attachment.data",
  "chat.Attachment.mime_type",
  "chat.Attachment.name",
  "chat.Attachment.sha256",
  "chat.Attachment.uri",
];

/** Bounded by the names that it may have, of which each counts once. */
const enumerated = ["chat.UpdateSessionRequest.update_mask"];

type Bound = { declaration: string; limit: string; value: number; unit: string };

const limitName = /\([a-z][A-Za-z]*(?:Max|Min|Default)\)/g;

/** `At most 1,048,576 bytes (messageBytesMax)`: the last number before the name, with the words between. */
function boundsIn(declaration: string, comment: string): Bound[] {
  const bound = /(\d[\d,]*(?:\.\d+)?)((?: [a-z]+)*) \(([a-z][A-Za-z]*(?:Max|Min|Default))\)/g;
  return [...comment.matchAll(bound)].map(([, digits = "", unit = "", limit = ""]) => ({
    declaration,
    limit,
    value: Number(digits.replaceAll(",", "")),
    unit,
  }));
}

function numberOf(limit: string): number | undefined {
  return (limits as Record<string, number>)[limit];
}

/** The messages that requests are made of. */
function sentMessages(methods: readonly { input: DescMessage }[]): Set<DescMessage> {
  const sent = new Set(methods.map(({ input }) => input));
  for (const message of sent) {
    for (const field of message.fields) if (field.message) sent.add(field.message);
  }
  return sent;
}

function canBeLarge(field: DescField): boolean {
  if (field.fieldKind === "list" || field.fieldKind === "map") return true;
  return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
}

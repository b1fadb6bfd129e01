import { createHash, randomBytes } from "node:crypto";

/**
 * An API key is `cw_<id>_<secret>`, always 59 characters: the id is 12 of `idAlphabet` and public, the secret
 * 256 random bits as base64url (43 characters, `_` and `-` among them, so that a key is taken apart by length).
 */
const keyPattern = /^cw_([0-9abcdefghjkmnpqrstvwxyz]{12})_[A-Za-z0-9_-]{43}$/;
const idPattern = /^[0-9abcdefghjkmnpqrstvwxyz]{12}$/;

/** Digits and small letters that are not taken for each other when read aloud: 32, hence 5 bits each. */
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** What every key begins with, and no JWT: those begin with an encoded `{`, which is `e`. */
export const keyPrefix = "cw_";

/** A new key. Only `sha256` is kept; whoever loses `text` needs another key. */
export type NewApiKey = {
  readonly id: string;
  /** The whole key, to be shown once. */
  readonly text: string;
  readonly sha256: string;
};

/** Makes a key of 60 random bits of id and 256 of secret. */
export function createApiKey(): NewApiKey {
  const id = Array.from(randomBytes(12), (byte) => idAlphabet[byte % 32]).join("");
  const text = `${keyPrefix}${id}_${randomBytes(32).toString("base64url")}`;
  return { id, text, sha256: hashApiKey(text).toString("hex") };
}

/** The id in a key, or undefined where the text is no key. */
export function idOfApiKey(text: string): string | undefined {
  return keyPattern.exec(text)?.[1];
}

/** Whether the text could be a key's id. */
export function isKeyId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * SHA-256 of the whole key, 32 bytes: what `printf %s "$KEY" | sha256sum` prints. A slow hash would add nothing
 * to 256 random bits, and would let anybody keep the server busy with wrong keys.
 */
export function hashApiKey(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

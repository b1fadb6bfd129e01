import { limits } from "../chat/limits.ts";
import { bytes, type Rule } from "./field-rules.ts";

/** How deep a JSON Schema may be nested: providers' libraries walk it recursively. */
const schemaDepthMax = 100;

/** A JSON Schema as a JSON object; empty or absent for none. */
export const jsonSchema: Rule<string | undefined> = (check, path, schema) => {
  if (schema === undefined || schema === "") return;
  bytes(limits.responseJsonSchemaBytesMax)(check, path, schema);
  try {
    const parsed: unknown = JSON.parse(schema);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
      check.add(path, "must be a JSON object");
    } else if (isDeeper(parsed, schemaDepthMax)) {
      check.add(path, `is nested deeper than ${schemaDepthMax} levels`);
    }
  } catch {
    check.add(path, "must be JSON");
  }
};

/** Whether there is something more than so many levels down; it looks no deeper. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** The client's own notes. */
export const metadata: Rule<Readonly<Record<string, string>>> = (check, path, notes) => {
  const entries = Object.entries(notes);
  if (entries.length > limits.metadataEntriesMax) {
    check.add(path, `has over ${limits.metadataEntriesMax} entries`);
    return;
  }
  for (const [key, value] of entries) {
    const field = `${path}["${key.slice(0, limits.metadataKeyBytesMax)}"]`;
    if (key === "") check.add(field, "must have a key");
    bytes(limits.metadataKeyBytesMax)(check, field, key);
    bytes(limits.metadataValueBytesMax)(check, field, value);
  }
};

import { isIP } from "node:net";
import { resolve } from "node:path";

/**
 * Turns the text of a setting into its value. Throws Error whose message says what is expected, in words
 * that follow `NAME="text": `. The text is never empty.
 */
export type Parse<Value> = (text: string, cwd: string) => Value;

/** The longest time that setTimeout can wait; a longer one would fire at once. */
export const timeoutMsMax = 2 ** 31 - 1;

/** A whole number from `min` to `max`, decimal. */
export function wholeNumber(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new Error(`expected a whole number from ${min} to ${max}`);
  };
}

/** A duration in milliseconds, from `min` to the longest that a timer can wait. */
export function milliseconds(min: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= timeoutMsMax) return value;
    throw new Error(`expected whole milliseconds from ${min} to ${timeoutMsMax} (24.8 days)`);
  };
}

/** A decimal number from `min` to `max`, such as 2.5. */
export function decimal(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new Error(`expected a number from ${min} to ${max}, such as 2.5`);
  };
}

/** A size in bytes: plain (1048576), or with a unit of 1,024 (1MiB) or of 1,000 (1MB). */
export function bytes(min: number, max: number): Parse<number> {
  const units: Record<string, number> = {
    "": 1,
    B: 1,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    KIB: 2 ** 10,
    MIB: 2 ** 20,
    GIB: 2 ** 30,
  };
  return (text) => {
    const [, digits, unit] = /^(\d{1,16}) ?([a-z]{0,3})$/i.exec(text) ?? [];
    const value = Number(digits) * (units[(unit ?? "").toUpperCase()] ?? Number.NaN);
    if (value >= min && value <= max) return value;
    throw new Error(
      `expected a size from ${describeBytes(min)} to ${describeBytes(max)}, such as 1048576 or 1MiB`,
    );
  };
}

/** A size in its largest unit that leaves it whole: 256MiB, 1000 bytes. */
export function describeBytes(count: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const) {
    if (count >= size && count % size === 0) return `${count / size}${unit}`;
  }
  return `${count} ${count === 1 ? "byte" : "bytes"}`;
}

/** 1 or true, 0 or false. */
export const boolean: Parse<boolean> = (text) => {
  if (/^(1|true)$/i.test(text)) return true;
  if (/^(0|false)$/i.test(text)) return false;
  throw new Error("expected 1 or true, 0 or false");
};

/** One of the given words. */
export function oneOf<Word extends string>(...words: readonly Word[]): Parse<Word> {
  return (text) => {
    const word = words.find((candidate) => candidate === text.toLowerCase());
    if (word !== undefined) return word;
    throw new Error(`expected one of ${words.join(", ")}`);
  };
}

/** Any text without control characters. */
export const plainText: Parse<string> = (text) => {
  if (/\p{Cc}/u.test(text)) throw new Error("expected text without control characters");
  return text;
};

/** A key as it goes into an HTTP header: printable ASCII without spaces. */
export const key: Parse<string> = (text) => {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new Error("expected printable ASCII characters without spaces");
};

/** A file, relative to the working directory; the value is absolute. */
export const file: Parse<string> = (text, cwd) => resolve(cwd, plainText(text, cwd));

/** Several values with commas between them; each is parsed alone, and what is there twice counts once. */
export function list<Value>(parse: Parse<Value>): Parse<readonly Value[]> {
  return (text, cwd) => {
    const items = text.split(",").map((item) => item.trim());
    const values = items.filter((item) => item !== "").map((item) => parse(item, cwd));
    if (values.length === 0) throw new Error("expected at least one value between the commas");
    return Object.freeze([...new Set(values)]);
  };
}

const hostNamePattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;

/** A host name or an IP address without a port, in lower case; an IPv6 address without its brackets. */
export const host: Parse<string> = (text) => {
  const name = text.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  // Digits and dots alone are an address, and then a whole one: "127.1" is neither.
  if (isIP(name) !== 0) return name;
  if (hostNamePattern.test(name) && !/^[\d.]+$/.test(name)) return name;
  throw new Error("expected a host name or an IP address, without a scheme and a port");
};

/** A web origin such as https://chat.example.org, as browsers write it in `Origin`. */
export const origin: Parse<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const web = url?.protocol === "http:" || url?.protocol === "https:";
  const bare =
    url !== undefined && `${url.pathname}${url.search}${url.hash}${url.username}` === "/";
  if (url !== undefined && web && bare && !/[*]/.test(url.host)) return url.origin;
  throw new Error(
    "expected origins such as https://chat.example.org, with commas between them (a wildcard would let every web page read every session)",
  );
};

/** The base URL of an HTTP service, without credentials, query and fragment, and without a last slash. */
export const baseUrl: Parse<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const web = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== undefined && web && `${url.username}${url.password}${url.search}${url.hash}` === "") {
    return url.href.replace(/\/+$/, "");
  }
  throw new Error(
    "expected a URL such as https://host/path, without a name, a password and a query",
  );
};

/** The URL of something on the web, as it is written, without credentials and fragment. */
export const webUrl: Parse<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const web = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== undefined && web && `${url.username}${url.password}${url.hash}` === "") {
    return url.href;
  }
  throw new Error("expected a URL such as https://host/path, without a name and a password");
};

/** An IP address, or a network as address/length: 10.0.0.0/8. */
export const network: Parse<string> = (text) => {
  const [, address = "", length] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (bits > 0 && Number(length ?? bits) <= bits) return text.toLowerCase();
  throw new Error("expected IP addresses or networks such as 10.0.0.0/8, with commas between them");
};

/** Where sessions are kept. */
export type Database =
  | { readonly type: "sqlite" /** Absolute. */; readonly path: string }
  | { readonly type: "memory" };

/** `sqlite:path`, relative to the working directory, or `memory:`. */
export const database: Parse<Database> = (text, cwd) => {
  if (text === "memory:") return Object.freeze({ type: "memory" });
  if (/^postgres(ql)?:/i.test(text)) {
    throw new Error("this release has no PostgreSQL yet; expected sqlite:path or memory:");
  }
  const path = text.startsWith("sqlite:") ? text.slice("sqlite:".length) : "";
  if (path === "" || path.startsWith("//") || /[?#]|[\\/]$|^:/.test(path)) {
    throw new Error(
      "expected sqlite:path (sqlite:data/chatwire.db, sqlite:/var/lib/chatwire/chatwire.db) or memory:",
    );
  }
  return Object.freeze({ type: "sqlite", path: file(path, cwd) });
};

/** `alias=model,…`; an alias stands for a model, never for another alias. */
export const aliases: Parse<Readonly<Record<string, string>>> = (text) => {
  const entries = text.split(",").filter((item) => item.trim() !== "");
  const pairs = entries.map((item) => item.split("=").map((side) => side.trim()));
  const names = pairs.map(([alias]) => alias);
  for (const [alias, model, ...rest] of pairs) {
    if (!alias || !model || rest.length > 0) throw new Error("expected alias=model,alias=model");
    if (names.includes(model)) {
      throw new Error(`expected a model after "${alias}=", but "${model}" is itself an alias`);
    }
  }
  if (new Set(names).size < names.length) throw new Error("expected each alias once");
  return Object.freeze(Object.fromEntries(pairs));
};

import type { DescEnum, Message } from "@bufbuild/protobuf";
import { type FieldViolation, invalidArgument } from "../chat/errors.ts";
import { limits } from "../chat/limits.ts";

/** Adds a violation for each way in which a field's value breaks its bounds. */
export type Rule<V> = (check: Check, path: string, value: V) => void;

/**
 * One rule for each field of a message: a field that the contract gains does not compile, and fails
 * test/unit/service/validate.test.ts, until somebody has decided what bounds it.
 */
export type RulesOf<M extends Message> = {
  readonly [F in Exclude<keyof M, keyof Message>]-?: Rule<M[F]>;
};

/** The rules of a message by its fields' local names, for who walks them. */
export type Rules = Readonly<Record<string, Rule<never>>>;

/** The violations of one request. */
export type Check = {
  /** The configured bound of a user's message, at most the contract's, bytes. */
  readonly messageBytesMax: number;
  add(path: string, description: string): void;
  /** Throws `invalid_argument` with every violation there is. */
  done(): void;
};

export function createCheck(messageBytesMax: number = limits.messageBytesMax): Check {
  const violations: FieldViolation[] = [];
  return {
    messageBytesMax,
    add: (field, description) => void violations.push({ field, description }),
    done() {
      if (violations.length > 0) throw invalidArgument(violations);
    },
  };
}

/** A field of any value: whoever reads it decides, as `_why` says. */
export function anyValue(_why: string): Rule<unknown> {
  return () => undefined;
}

/** Valid Unicode of so many UTF-8 bytes. */
export function bytes(bytesMax: number): Rule<string> {
  return (check, path, text) => {
    if (!text.isWellFormed()) check.add(path, "must be valid Unicode");
    if (Buffer.byteLength(text, "utf8") > bytesMax) check.add(path, `is over ${bytesMax} bytes`);
  };
}

/** Valid Unicode of so many code points. */
export function characters(charactersMax: number): Rule<string> {
  return (check, path, text) => {
    if (!text.isWellFormed()) check.add(path, "must be valid Unicode");
    // Longer in UTF-16 units than twice the bound is longer in code points than the bound.
    if (text.length > 2 * charactersMax || Array.from(text).length > charactersMax) {
      check.add(path, `is over ${charactersMax} characters`);
    }
  };
}

/** A text that must be there. */
export function required(rule: Rule<string>): Rule<string> {
  return (check, path, text) => {
    if (text === "") check.add(path, "must not be empty");
    rule(check, path, text);
  };
}

/** A number from `min` to `max`, or none. */
export function range(min: number, max: number): Rule<number | undefined> {
  return (check, path, value) => {
    if (value !== undefined && !(value >= min && value <= max)) {
      check.add(path, `must be from ${min} to ${max}`);
    }
  };
}

/** A sequence that a number can hold; past 2^53 there is none of ours. */
export const sequence: Rule<bigint> = (check, path, value) => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) check.add(path, "is past every sequence");
};

/** A value that the enum has. Another is from a later contract, and what it asks for cannot be guessed. */
export function knownValue(desc: DescEnum): Rule<number> {
  const names = desc.values.map(({ name }) => name).join(", ");
  return (check, path, value) => {
    if (desc.value[value] === undefined)
      check.add(path, `${value} is not known; it is one of ${names}`);
  };
}

/** At most so many items, each by its rule. */
export function list<V>(countMax: number, item: Rule<V>): Rule<readonly V[]> {
  return (check, path, values) => {
    if (values.length > countMax) {
      check.add(path, `has over ${countMax} entries`);
      return;
    }
    for (const [index, value] of values.entries()) item(check, `${path}[${index}]`, value);
  };
}

/** A message by the rules of its fields, where there is one. */
export function message<M extends Message>(rules: RulesOf<M>): Rule<M | undefined> {
  return (check, path, value) => {
    if (value !== undefined) checkFields(check, rules as Rules, value, `${path}.`);
  };
}

/** Applies each field's rule; paths have the contract's names. */
export function checkFields(check: Check, rules: Rules, message: Message, prefix = ""): void {
  for (const [localName, rule] of Object.entries(rules)) {
    const value = message[localName as keyof Message] as never;
    rule(check, prefix + contractName(localName), value);
  }
}

/** `afterSequence` is `after_sequence` in the contract, where all names are so written. */
function contractName(localName: string): string {
  return localName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

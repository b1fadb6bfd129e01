import type { DescExtension, DescFile, DescMessage } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";

/** Finds the file in which something is declared, by its name. */
export type DescriptorIndex = {
  /** By its path in imports, `chat/chat.proto`. */
  file(name: string): DescFile | undefined;
  /**
   * By the full name of what it declares: a message, enum, enum value, field, oneof, extension, service or
   * method. As in protobuf, an enum's values stand beside it: `chat.FINISH_REASON_STOP`.
   */
  fileOfSymbol(symbol: string): DescFile | undefined;
  /** By the message that the extension extends and its field number. */
  fileOfExtension(messageType: string, fieldNumber: number): DescFile | undefined;
  /** The field numbers of a message's known extensions, ascending; undefined for an unknown message. */
  extensionNumbers(messageType: string): readonly number[] | undefined;
};

/** An index of the files and all that they import. */
export function createDescriptorIndex(roots: readonly DescFile[]): DescriptorIndex {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions = new Map<string, Map<number, DescFile>>();

  for (const file of withImports(roots)) {
    files.set(file.proto.name, file);
    for (const symbol of symbolsIn(file)) symbols.set(symbol, file);
    for (const desc of nestedTypes(file)) {
      if (desc.kind === "message") messages.add(desc.typeName);
      if (desc.kind === "extension") addExtension(extensions, desc);
    }
  }

  return {
    file: (name) => files.get(name),
    fileOfSymbol: (symbol) => symbols.get(symbol),
    fileOfExtension: (messageType, number) => extensions.get(messageType)?.get(number),
    extensionNumbers(messageType) {
      if (!messages.has(messageType)) return undefined;
      return [...(extensions.get(messageType)?.keys() ?? [])].toSorted((a, b) => a - b);
    },
  };
}

/** The files and all that they import, directly or not: each once, those asked for first. */
export function withImports(roots: readonly DescFile[]): Set<DescFile> {
  const found = new Set(roots);
  // A Set's iteration also visits what is added on the way.
  for (const file of found) for (const imported of file.dependencies) found.add(imported);
  return found;
}

function* symbolsIn(file: DescFile): Generator<string> {
  for (const desc of nestedTypes(file)) {
    yield desc.typeName;
    switch (desc.kind) {
      case "message":
        yield* membersOf(desc);
        break;
      case "enum":
        for (const { name } of desc.values) yield inScopeOf(desc.typeName, name);
        break;
      case "service":
        for (const { name } of desc.methods) yield `${desc.typeName}.${name}`;
        break;
    }
  }
}

function* membersOf({ typeName, fields, oneofs }: DescMessage): Generator<string> {
  for (const { name } of [...fields, ...oneofs]) yield `${typeName}.${name}`;
}

/** The name that a sibling of the declaration has. */
function inScopeOf(typeName: string, sibling: string): string {
  return typeName.slice(0, typeName.lastIndexOf(".") + 1) + sibling;
}

function addExtension(extensions: Map<string, Map<number, DescFile>>, desc: DescExtension): void {
  const { typeName } = desc.extendee;
  const numbers = extensions.get(typeName) ?? new Map<number, DescFile>();
  extensions.set(typeName, numbers.set(desc.number, desc.file));
}

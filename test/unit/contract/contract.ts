import assert from "node:assert/strict";
import { createFileRegistry, type DescFile, fromBinary, type Registry } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { buf } from "./buf.ts";

export type Contract = {
  file: DescFile;
  registry: Registry;
  /** The comment above each declaration, on one line, by its full name; empty where there is none. */
  comments: ReadonlyMap<string, string>;
};

/** proto/chat/chat.proto as it is on disk now, comments included. */
export async function readContract(): Promise<Contract> {
  const built = await buf(["build", "-o", "-#format=binpb"]);
  assert.equal(built.exitCode, 0, built.stderr);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout));
  const file = registry.getFile("chat/chat.proto");
  assert.ok(file, "the module has no chat/chat.proto");
  return { file, registry, comments: commentsOf(file.proto) };
}

/** Numbers of the fields that hold declarations in descriptor.proto, from which a location's path is made. */
const inFile = { message: 4, enum: 5, service: 6 } as const;
const inMessage = { field: 2, message: 3, enum: 4 } as const;
const inEnum = { value: 2 } as const;
const inService = { method: 2 } as const;

function commentsOf(file: FileDescriptorProto): Map<string, string> {
  const comments = new Map<string, string>();
  const byPath = new Map(
    file.sourceCodeInfo?.location.map(({ path, leadingComments }) => [
      path.join(),
      leadingComments,
    ]),
  );
  const add = (name: string, path: readonly number[]) => {
    comments.set(name, (byPath.get(path.join()) ?? "").replaceAll(/\s+/g, " ").trim());
  };
  const addEnum = (scope: string, desc: EnumDescriptorProto, path: readonly number[]) => {
    add(`${scope}.${desc.name}`, path);
    for (const [index, { name }] of desc.value.entries()) {
      add(`${scope}.${desc.name}.${name}`, [...path, inEnum.value, index]);
    }
  };
  const addMessage = (scope: string, desc: DescriptorProto, path: readonly number[]) => {
    if (desc.options?.mapEntry) return;
    const name = `${scope}.${desc.name}`;
    add(name, path);
    for (const [index, field] of desc.field.entries()) {
      add(`${name}.${field.name}`, [...path, inMessage.field, index]);
    }
    for (const [index, nested] of desc.nestedType.entries()) {
      addMessage(name, nested, [...path, inMessage.message, index]);
    }
    for (const [index, nested] of desc.enumType.entries()) {
      addEnum(name, nested, [...path, inMessage.enum, index]);
    }
  };
  for (const [index, desc] of file.messageType.entries()) {
    addMessage(file.package, desc, [inFile.message, index]);
  }
  for (const [index, desc] of file.enumType.entries()) {
    addEnum(file.package, desc, [inFile.enum, index]);
  }
  for (const [index, service] of file.service.entries()) {
    const name = `${file.package}.${service.name}`;
    add(name, [inFile.service, index]);
    for (const [methodIndex, method] of service.method.entries()) {
      add(`${name}.${method.name}`, [inFile.service, index, inService.method, methodIndex]);
    }
  }
  return comments;
}

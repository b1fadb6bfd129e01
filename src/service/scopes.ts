import type { Scope } from "../auth/authenticator.ts";

/**
 * What a caller needs for an RPC. `public`: nothing, not even credentials. `statistics`: any scope; how much it is
 * told is the handler's.
 */
export type RpcAccess = Scope | "statistics" | "public";

/**
 * The decision for every RPC of every service that is mounted; a test fails when one is added without.
 * `read` is enough for what changes nothing; `chat` covers it. Health and reflection tell nothing about anybody,
 * and probes and tools ask them before they have a key.
 */
export const rpcAccess: Readonly<Record<string, RpcAccess>> = {
  "chat.ChatService/Chat": "chat",
  "chat.ChatService/StreamChat": "chat",
  "chat.ChatService/SendMessage": "chat",
  "chat.ChatService/CreateSession": "chat",
  "chat.ChatService/UpdateSession": "chat",
  "chat.ChatService/DeleteSession": "chat",
  "chat.ChatService/ForkSession": "chat",
  "chat.ChatService/CancelTurn": "chat",
  "chat.ChatService/GetSessionInfo": "read",
  "chat.ChatService/ListSessions": "read",
  "chat.ChatService/ListMessages": "read",
  "chat.ChatService/WatchSession": "read",
  "chat.ChatService/GetAttachment": "read",
  "chat.ChatService/GetServerStats": "statistics",
  "chat.ChatService/ListModels": "read",
  "chat.ChatService/Health": "read",
  "grpc.health.v1.Health/Check": "public",
  "grpc.health.v1.Health/List": "public",
  "grpc.health.v1.Health/Watch": "public",
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "public",
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "public",
};

/** The scopes of which one is enough, the one that asks least first. */
const enough: Readonly<Record<RpcAccess, readonly Scope[]>> = {
  public: [],
  read: ["read", "chat"],
  chat: ["chat"],
  statistics: ["read", "chat", "metrics"],
  metrics: ["metrics"],
};

/** The scopes of which a caller needs one, the one that asks least first; none for what is public. */
export function scopesFor(access: RpcAccess): readonly Scope[] {
  return enough[access];
}

/** Whether these scopes allow what needs `access`. */
export function allows(scopes: ReadonlySet<Scope>, access: RpcAccess): boolean {
  return access === "public" || scopesFor(access).some((scope) => scopes.has(scope));
}

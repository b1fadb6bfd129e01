/** Whether this RPC only asks whether the server lives or what it offers: probes do so every few seconds. */
export function isQuiet(rpc: string): boolean {
  return rpc.startsWith("grpc.") || rpc === "chat.ChatService/Health";
}

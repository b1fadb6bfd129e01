/** How the client talks: native gRPC over HTTP/2, or the two that also pass HTTP/1.1 proxies. */
export const protocols = ["grpc", "grpc-web", "connect"] as const;
export type Protocol = (typeof protocols)[number];

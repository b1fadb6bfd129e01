import { readFileSync } from "node:fs";

const folder = new URL("../fixtures/tls/", import.meta.url);

/**
 * The certificate for localhost, 127.0.0.1 and ::1 that tests serve with. It signs itself: a client trusts it by
 * `ca: testCertificate.cert`.
 */
export const testCertificate: { cert: string; key: string } = {
  cert: readFileSync(new URL("cert.pem", folder), "utf8"),
  key: readFileSync(new URL("key.pem", folder), "utf8"),
};

/** Another such pair: what a server gets when the first is renewed. */
export const nextCertificate: { cert: string; key: string } = {
  cert: readFileSync(new URL("next-cert.pem", folder), "utf8"),
  key: readFileSync(new URL("next-key.pem", folder), "utf8"),
};

/** The CA whose clients a test server lets in. */
export const clientCa: string = readFileSync(new URL("client-ca.pem", folder), "utf8");

/** A client's certificate: of the CA, of the CA and expired, or of nobody it knows. */
export function clientCertificate(name: "billing" | "robot" | "expired" | "stranger"): {
  cert: string;
  key: string;
} {
  return {
    cert: readFileSync(new URL(`client-${name}.pem`, folder), "utf8"),
    key: readFileSync(new URL(`client-${name}-key.pem`, folder), "utf8"),
  };
}

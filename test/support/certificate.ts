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

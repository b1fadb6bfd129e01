import { X509Certificate } from "node:crypto";

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order. Throws when it has none, or one that cannot be read. */
export function readCertificates(pem: string | Buffer): [X509Certificate, ...X509Certificate[]] {
  const [first, ...others] = pem.toString().match(pemCertificate) ?? [];
  if (first === undefined) throw new Error("there is no PEM certificate in it");
  return [new X509Certificate(first), ...others.map((text) => new X509Certificate(text))];
}

/** Whose a certificate is, by the names that its issuer vouches for. */
export type CertificateNames = {
  uris: string[];
  dnsNames: string[];
  emails: string[];
  /** From the subject; undefined when it has none or several. */
  commonName: string | undefined;
};

export function namesOf(certificate: X509Certificate): CertificateNames {
  const names: CertificateNames = {
    uris: [],
    dnsNames: [],
    emails: [],
    commonName: commonNameOf(certificate),
  };
  const lists: Readonly<Record<string, string[]>> = {
    URI: names.uris,
    DNS: names.dnsNames,
    email: names.emails,
  };
  for (const [, kind = "", text = ""] of (certificate.subjectAltName ?? "").matchAll(altName)) {
    lists[kind]?.push(text.startsWith('"') ? JSON.parse(text) : text);
  }
  return names;
}

/**
 * One entry of `subjectAltName` as Node writes it: `URI:a, DNS:b`. A value that could be mistaken for another entry
 * stands as a JSON string (CVE-2021-44532), so that a comma in a name makes no second name.
 */
const altName = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/gy;

function commonNameOf(certificate: X509Certificate): string | undefined {
  const { CN } = certificate.toLegacyObject().subject as { CN?: string | string[] };
  return typeof CN === "string" ? CN : undefined;
}

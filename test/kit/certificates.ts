/**
 * The boundary of: tests and openssl. Makes an authority and certificates by it for one test run, so
 * that no key is kept anywhere.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Issued {
  readonly key: string;
  readonly cert: string;
}

export interface Authority {
  /** PEM of the authority's own certificate. */
  readonly ca: string;
  /** A certificate for `localhost` and 127.0.0.1, for both ends of a connection. */
  issue(name: string): Issued;
  close(): void;
}

export function makeAuthority(name: string): Authority {
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-ca-"));
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): void =>
    void execFileSync("openssl", args, { stdio: "pipe" });
  const keyed = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...keyed,
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
  );
  const authority = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2"];
  return {
    ca: readFileSync(at("ca.pem"), "utf8"),
    issue: (subject) => {
      writeFileSync(at("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
      openssl(
        "req",
        ...keyed,
        "-subj",
        `/CN=${subject}`,
        "-keyout",
        at("one.key"),
        "-out",
        at("one.csr"),
      );
      openssl(
        "x509",
        "-req",
        "-in",
        at("one.csr"),
        ...authority,
        "-extfile",
        at("names"),
        "-out",
        at("one.pem"),
      );
      return {
        key: readFileSync(at("one.key"), "utf8"),
        cert: readFileSync(at("one.pem"), "utf8"),
      };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

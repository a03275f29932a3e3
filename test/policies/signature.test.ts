/**
 * The boundary of: a bundle somebody brings. What is unsigned, changed, added, missing, signed by
 * another key or by none at all is named and refused, by the process and by a real OPA server alike.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSignedBundle } from "../../policies/bundle.ts";
import { decide } from "../../policies/engine.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { PROVISION_MS_MAX } from "../kit/opa.ts";
import { OpaServer, signedBundle, type SignedBundle } from "../kit/opa-server.ts";
import { ask, ENFORCING, NOW } from "./fixtures.ts";

describe("policies: a signed bundle", function () {
  this.timeout(PROVISION_MS_MAX);
  let signed: SignedBundle;
  let folder: string;

  before(() => void (signed = signedBundle()));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "watchfloor-bundle-"));
    cpSync(signed.folder, folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const refused = (why: RegExp, key = signed.publicKey): void =>
    assert.throws(() => loadSignedBundle(folder, key), { code: "policy_unusable", message: why });
  const token = (): string[] => {
    const text = readFileSync(join(folder, ".signatures.json"), "utf8");
    return (JSON.parse(text) as { signatures: [string] }).signatures[0].split(".");
  };
  const sign = (...parts: readonly string[]): void =>
    writeFileSync(
      join(folder, ".signatures.json"),
      JSON.stringify({ signatures: [parts.join(".")] }),
    );
  const encoded = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");

  it("decides", async () => {
    const engine = await loadWasmEngine(ENFORCING, loadSignedBundle(folder, signed.publicKey));
    assert.equal((await decide(engine, ask(), NOW)).verdict, "auto_execute");
  });

  it("is refused unsigned", () => {
    rmSync(join(folder, ".signatures.json"));
    refused(/it is not signed$/);
  });

  it("is refused with a rule that was changed, added or taken away", () => {
    const rule = "watchfloor/review/rejections.rego";
    const text = readFileSync(join(folder, rule), "utf8");
    writeFileSync(join(folder, rule), `${text}\n`);
    refused(/rejections\.rego is not the file that was signed/);
    rmSync(join(folder, rule));
    refused(/rejections\.rego is missing/);
    writeFileSync(join(folder, rule), text);
    writeFileSync(join(folder, "watchfloor/review/more.rego"), "package watchfloor.review\n");
    refused(/more\.rego is not signed/);
  });

  it("is refused with another module or another revision", () => {
    const manifest = readFileSync(join(folder, ".manifest"), "utf8");
    writeFileSync(join(folder, ".manifest"), manifest.replace(/"revision": "./, '"revision": "x'));
    refused(/\.manifest is not the file that was signed/);
    writeFileSync(join(folder, ".manifest"), manifest);
    writeFileSync(join(folder, "policy.wasm"), "nothing");
    refused(/policy\.wasm is not the file that was signed/);
  });

  it("may be written with other white space: content is what OPA signs of JSON", () => {
    const path = join(folder, ".manifest");
    writeFileSync(path, JSON.stringify(JSON.parse(readFileSync(path, "utf8"))));
    assert.ok(loadSignedBundle(folder, signed.publicKey).revision);
  });

  it("is refused by any other key, and by what is none", () => {
    const options = { namedCurve: "P-256" } as const;
    const pem = (key: ReturnType<typeof generateKeyPairSync>["publicKey"]): string =>
      String(key.export({ type: "spki", format: "pem" }));
    refused(/not signed by the key/, pem(generateKeyPairSync("ec", options).publicKey));
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
    refused(/not signed by the key/, pem(rsa));
    refused(/no public key in PEM/, "-----BEGIN NOTHING-----");
  });

  it("is refused where the signature asks to be believed otherwise", () => {
    const [head = "", body = "", signature = ""] = token();
    for (const alg of ["none", "HS256", "ES384"]) {
      sign(encoded({ alg }), body, signature);
      refused(/is not what OPA writes/);
    }
    sign(encoded({ alg: "RS256" }), body, signature);
    refused(/not signed by the key/);
    sign(head, encoded({ files: [] }), signature);
    refused(/not signed by the key/);
    sign(head, body, "");
    refused(/not signed by the key/);
    sign(head, body, signature, "more");
    refused(/not signed by the key/);
    writeFileSync(join(folder, ".signatures.json"), "{}");
    refused(/is not what OPA writes/);
  });

  it("is refused by a server, too, under another key", async () => {
    const other = join(folder, "other.pem");
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(other, publicKey.export({ type: "spki", format: "pem" }));
    await assert.rejects(OpaServer.start(signed.archive, other), /verif|signature/i);
  });
});

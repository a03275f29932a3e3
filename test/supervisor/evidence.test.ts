/** A case's record as a file: whole, signed, and every way to tamper with it named. */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { exportEvidence, verifyEvidence, type Evidence } from "../../supervisor/evidence.ts";
import { chain } from "../../supervisor/history.ts";
import { fingerprint, loadIdentity, verifySignature } from "../../supervisor/identity.ts";
import { Reader } from "../../supervisor/reader.ts";
import { openMemory } from "../../transports/memory.ts";
import { AT, CASE, DIGEST, SCREENED, SHARDS, storeCase } from "../kit/stored-case.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- a forger is bound by no type.
type Anything = any;
interface Draft {
  entries: Anything;
  outcomes: Anything;
  events: Anything;
  summary: Anything;
  head: Anything;
  exportedAt: number;
  signature: string;
  publicKey: string;
}

describe("supervisor: evidence", () => {
  let dir = "";
  let text = "";
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "wf-evidence-"));
    const transport = openMemory({ clock: virtualClock() });
    await storeCase(transport);
    const evidence = await exportEvidence(
      new Reader(transport, SHARDS),
      CASE,
      loadIdentity(dir),
      AT + 60_000,
    );
    text = JSON.stringify(evidence);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const verify = (file: string, head: string | null = null) =>
    verifyEvidence(file, { path: "case.json", head });
  const failuresOf = (file: string, head: string | null = null): string[] =>
    verify(file, head).failures.map(({ check, why }) => `${check}: ${why}`);
  const tampered = (change: (draft: Draft) => void): string => {
    const draft = JSON.parse(text) as Draft;
    change(draft);
    return JSON.stringify(draft);
  };

  it("holds the whole case, the newest turn of the tail too, and verifies offline", () => {
    const report = verify(text);
    assert.deepEqual(report.failures, []);
    assert.deepEqual(
      { entries: report.entries, events: report.events, checked: report.eventsChecked },
      { entries: 2, events: 1, checked: 1 },
    );
    const { publicKey, summary, head } = JSON.parse(text) as Evidence;
    assert.equal(report.key, fingerprint(publicKey));
    assert.equal(summary.state, "awaiting_human");
    assert.deepEqual(failuresOf(text, head.hash), []);
    assert.deepEqual(failuresOf(text, head.hash.toUpperCase()), []);
  });

  it("verifies however the file was formatted", () => {
    assert.deepEqual(failuresOf(JSON.stringify(JSON.parse(text), null, 7)), []);
  });

  it("is not the head that was noted elsewhere, if another was asked for", () => {
    assert.match(
      failuresOf(text, "0".repeat(64)).join(),
      /^head: the head is [0-9a-f]{64}, not the one/,
    );
  });

  const cases: readonly (readonly [string, (draft: Draft) => void, RegExp])[] = [
    [
      "an entry's content changed",
      (d) => (d.entries[0].data.events = 9),
      /chain: entry 1 .*does not match its hash/,
    ],
    ["an entry is gone", (d) => d.entries.shift(), /chain: entry 1 .*it says it is entry 2/],
    ["the last entry is gone", (d) => d.entries.pop(), /head: the head is not the last entry/],
    ["all entries are gone", (d) => (d.entries = []), /chain: there is no entry/],
    ["entries are in another order", (d) => (d.entries = d.entries.toReversed()), /chain: entry 1/],
    [
      "an entry is of another case",
      (d) => (d.entries[1].case = "c-other"),
      /chain: entry 2 is of another case/,
    ],
    [
      "the head was replaced",
      (d) => (d.head.hash = "1".repeat(64)),
      /head: the head is not the last entry/,
    ],
    [
      "an event's content changed",
      (d) => (d.events[DIGEST].fields["proc.name"] = "ls"),
      new RegExp(`event: event ${DIGEST} does not match`),
    ],
    [
      "an event was added",
      (d) => (d.events[SCREENED] = d.events[DIGEST]),
      /event: event .* has no outcome/,
    ],
    ["an event is gone", (d) => (d.events = {}), /signature: /],
    ["an outcome changed", (d) => (d.outcomes[0].pValue = 0.9), /signature: /],
    [
      "an outcome is of another case",
      (d) => (d.outcomes[0].case = null),
      /event: outcome .* is of another case/,
    ],
    [
      "the summary's verdict changed",
      (d) => (d.summary.verdict = "auto_reject"),
      /summary: the summary's verdict is not the last entry's/,
    ],
    ["the summary's state changed", (d) => (d.summary.state = "closed"), /signature: /],
    [
      "the summary is of another case",
      (d) => (d.summary.case = "c-other"),
      /summary: the summary is of another case/,
    ],
    ["the time of export changed", (d) => (d.exportedAt += 1), /signature: /],
    [
      "the signature is another's",
      (d) => (d.signature = Buffer.alloc(64).toString("base64")),
      /signature: /,
    ],
    ["the key is none", (d) => (d.publicKey = "aGVsbG8="), /signature: /],
  ];
  for (const [what, change, expected] of cases) {
    it(`is not proven when ${what}`, () => {
      const failures = failuresOf(tampered(change));
      assert.ok(
        failures.some((failure) => expected.test(failure)),
        failures.join("\n"),
      );
      assert.ok(
        failures.some((failure) => failure.startsWith("signature:")),
        "the signature notices too",
      );
    });
  }

  it("that was rewritten whole and signed again shows another key, and fails against the noted head", () => {
    const other = mkdtempSync(join(tmpdir(), "wf-forger-"));
    try {
      const forger = loadIdentity(other);
      const file = tampered((d) => {
        let head: { n: number; hash: string } | null = null;
        d.entries = d.entries.map(
          ({ n: _n, prev: _prev, hash: _hash, ...body }: Record<string, never>) => {
            const entry = chain(head, { ...body, cause: "forged" } as never);
            head = entry;
            return entry;
          },
        );
        d.head = { n: 2, hash: d.entries[1].hash };
        d.publicKey = forger.publicKey;
      });
      assert.notEqual(verify(file).key, verify(text).key);
      const noted = (JSON.parse(text) as Evidence).head.hash;
      assert.ok(failuresOf(file, noted).some((failure) => failure.startsWith("head:")));
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it("of an event that was cut when it was accepted is not held against its digest", () => {
    const file = tampered(
      (d) => (d.events[DIGEST].fields["proc.name"] = `${"x".repeat(4_090)} [cut]`),
    );
    assert.equal(verify(file).eventsChecked, 0);
    assert.deepEqual(failuresOf(file), ["signature: the signature does not fit the content"]);
  });

  for (const [what, file, expected] of [
    ["is not JSON", "{", /case\.json is no evidence of a case: the file is not JSON/],
    ["is of another format", JSON.stringify({ format: "x" }), /format must be/],
    ["is a list", "[]", /the file/],
  ] as const) {
    it(`refuses a file that ${what}`, () => {
      assert.throws(() => verify(file), { code: "evidence_unfit", message: expected });
    });
  }
});

describe("supervisor: identity", () => {
  let dir = "";
  before(() => (dir = mkdtempSync(join(tmpdir(), "wf-identity-"))));
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("is made once, for its owner only, and stays", () => {
    const first = loadIdentity(dir);
    assert.equal(statSync(join(dir, "identity.key")).mode & 0o777, 0o600);
    assert.equal(loadIdentity(dir).publicKey, first.publicKey);
    assert.ok(verifySignature(first.publicKey, "a head", loadIdentity(dir).sign("a head")));
    assert.ok(!verifySignature(first.publicKey, "another head", first.sign("a head")));
  });

  it("refuses a key that others may read, that is a link, or that is none", () => {
    const path = join(dir, "identity.key");
    const pem = readFileSync(path);
    chmodSync(path, 0o640);
    assert.throws(() => loadIdentity(dir), {
      code: "identity_unusable",
      message: /others may read it/,
    });
    writeFileSync(join(dir, "real"), pem, { mode: 0o600 });
    rmSync(path);
    symlinkSync(join(dir, "real"), path);
    assert.throws(() => loadIdentity(dir), { code: "identity_unusable", message: /no plain file/ });
    rmSync(path);
    writeFileSync(path, "hello", { mode: 0o600 });
    assert.throws(() => loadIdentity(dir), { code: "identity_unusable" });
  });
});

/**
 * The boundary of: one policy and its engines. Every row is decided by the module in this process and
 * by a real OPA server from one signed bundle, and the whole answers are equal: with the schema before
 * them, and behind it, where malformed values reach the Rego itself.
 */
import { loadPolicy, type LoadedPolicy } from "@open-policy-agent/opa-wasm";
import assert from "node:assert/strict";
import type { AuthoriseInput, EvaluateInput } from "../../machines/calls.ts";
import type { JsonObject } from "../../machines/protocol.ts";
import type { Action, Person } from "../../machines/vocabulary.ts";
import { loadSignedBundle } from "../../policies/bundle.ts";
import { authorise, decide, policyInput, type PolicyEngine } from "../../policies/engine.ts";
import { parametersDocument, policyData } from "../../policies/parameters.ts";
import { connectRestEngine } from "../../policies/rest-engine.ts";
import type { RenewableEngine } from "../../policies/serving.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { PROVISION_MS_MAX } from "../kit/opa.ts";
import { OpaServer, signedBundle } from "../kit/opa-server.ts";
import { APPROVED_ROWS } from "./approved-rows.ts";
import { action, ask, ENFORCING, NOW, POD } from "./fixtures.ts";
import { mutants, type Mutant } from "./mutants.ts";
import { REVIEW_ROWS } from "./review-rows.ts";

const ROWS_MIN = 120;
/** Questions to the server. */
const AT_ONCE = 16;
const ROWS = [...REVIEW_ROWS, ...APPROVED_ROWS];

const ANA: Person = { user: "ana", uid: 1000, as: null };
const BO: Person = { user: "bo", uid: 1001, as: null };

const APPROVALS: readonly (readonly [
  answer: AuthoriseInput["answer"]["answer"],
  actions: readonly Action[],
  approvers: readonly Person[],
])[] = [
  ["approve", [action("isolate")], []],
  ["approve", [action("isolate"), action("terminate")], []],
  ["approve", [], []],
  ["dismiss", [], []],
  ["investigate", [action("terminate")], []],
  ["approve", [action("isolate")], [ANA]],
  ["approve", [action("isolate")], [BO]],
  ["approve", [action("isolate")], [{ ...BO, uid: ANA.uid }]],
  ["approve", [action("undo", POD, { undoes: "isolate", requestedBy: "ana" })], []],
  ["approve", [action("undo", POD, { undoes: "isolate", requestedBy: "bo" })], []],
  ["dismiss", [action("terminate")], [ANA]],
];

const BASES: readonly (readonly [string, EvaluateInput])[] = [
  ["an approved doubt", ask({ question: { confidence: 0 }, approved: {} })],
];

describe("policies: one table, two engines", function () {
  this.timeout(PROVISION_MS_MAX);
  let server: OpaServer;
  let wasm: RenewableEngine;
  let rest: RenewableEngine;
  let bare: LoadedPolicy;
  let rows = 0;

  before(async () => {
    const { folder, archive, keyFile, publicKey } = signedBundle();
    server = await OpaServer.start(archive, keyFile);
    const bundle = loadSignedBundle(folder, publicKey);
    wasm = await loadWasmEngine(ENFORCING, bundle);
    rest = await connectRestEngine(ENFORCING, server.client);
    bare = await loadPolicy(bundle.wasm);
    bare.setData(policyData(ENFORCING));
  });
  after(() => server?.close());

  async function under(engine: RenewableEngine, row: (typeof ROWS)[number]): Promise<PolicyEngine> {
    return row.parameters === undefined ? engine : engine.withParameters(row.parameters);
  }

  for (const row of ROWS) {
    it(`${row.verdict}: ${row.name}`, async () => {
      const decision = await decide(await under(rest, row), row.input, NOW);
      assert.deepEqual(decision, await decide(await under(wasm, row), row.input, NOW));
      const { verdict, reasons, ruleIds } = decision;
      assert.deepEqual([verdict, reasons, ruleIds], [row.verdict, row.reasons, row.ruleIds]);
      rows += 1;
    });
  }

  it("agree on who may answer", async () => {
    for (const [answer, actions, approvers] of APPROVALS) {
      const input = {
        answer: { id: "a", answer, person: ANA, reason: null, dismissal: null },
        reviews: actions.map((one) => ({ action: one })),
        approvers,
      } as unknown as AuthoriseInput;
      assert.deepEqual(await authorise(rest, input), await authorise(wasm, input));
      rows += 1;
    }
  });

  for (const [name, base] of BASES) {
    it(`agree on ${name} with each field dropped, mistyped, emptied and enlarged`, async () => {
      const parameters = parametersDocument(ENFORCING);
      const agree = async ({ path, mutant }: Mutant): Promise<void> => {
        const question = policyInput(wasm, mutant, NOW) as unknown as JsonObject;
        const [answer] = bare.evaluate(question, "watchfloor/review/result") as {
          result: object;
        }[];
        const said = await server.client.query("watchfloor/remote/reviewed", {
          question,
          parameters,
        });
        assert.deepEqual((said as { result: object }).result, answer?.result, path);
        rows += 1;
      };
      const all = mutants(base);
      for (let n = 0; n < all.length; n += AT_ONCE)
        await Promise.all(all.slice(n, n + AT_ONCE).map(agree));
    });
  }

  it(`have ${ROWS_MIN} rows or more in common`, () => {
    assert.ok(rows >= ROWS_MIN, `${rows} rows`);
  });
});

/**
 * The boundary of: people and the policy: who may answer, and how many it takes.
 */
import assert from "node:assert/strict";
import type { AuthoriseInput } from "../../machines/calls.ts";
import type { Action, Person, Review } from "../../machines/vocabulary.ts";
import { authorise, type PolicyEngine } from "../../policies/engine.ts";
import { parseParameters, type ReviewParameters } from "../../policies/parameters.ts";
import { loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import { action, ask, ENFORCING, POD, reviewed, SHIPPED } from "./fixtures.ts";

const ANA: Person = { user: "ana", uid: 1000, as: null };
const BO: Person = { user: "bo", uid: 1001, as: null };

type Answer = AuthoriseInput["answer"]["answer"];

function withApproval(change: object): ReviewParameters {
  const { spec } = SHIPPED;
  const resource = {
    apiVersion: "watchfloor.dev/v1alpha1",
    kind: "ReviewParameters",
    metadata: { name: "changed" },
    spec: { ...spec, approval: { ...spec.approval, ...change } },
  };
  return parseParameters(JSON.stringify(resource), "test");
}

async function refusal(by: PolicyEngine, input: AuthoriseInput): Promise<string> {
  const { allowed, why } = await authorise(by, input);
  assert.equal(allowed, false);
  return why;
}

describe("policies: who may answer", () => {
  let engine: WasmEngine;
  let fourEyes: WasmEngine;
  let listed: WasmEngine;
  let template: Review;

  before(async () => {
    const { people, peopleNeeded } = SHIPPED.spec.approval;
    engine = await loadWasmEngine(ENFORCING);
    fourEyes = await engine.withParameters(
      withApproval({ peopleNeeded: { ...peopleNeeded, disrupt: 2 } }),
    );
    listed = await engine.withParameters(withApproval({ people: { ...people, disrupt: ["bo"] } }));
    template = await reviewed(engine, ask());
  });

  function asked(
    answer: Answer,
    actions: readonly Action[],
    more: Partial<AuthoriseInput> = {},
  ): AuthoriseInput {
    return {
      answer: { id: "a-1", answer, person: ANA, reason: null, dismissal: null },
      reviews: actions.map((one) => ({ ...template, action: one })),
      approvers: [],
      ...more,
    };
  }

  it("lets anyone who reaches the socket answer, alone, as shipped", async () => {
    const expected = { allowed: true, peopleNeeded: 1, why: "allowed" };
    assert.deepEqual(
      await authorise(engine, asked("approve", [action("isolate"), action("terminate")])),
      expected,
    );
    assert.deepEqual(await authorise(engine, asked("dismiss", [])), expected);
  });

  it("lets only listed people answer for a class", async () => {
    const terminate = [action("isolate"), action("terminate")];
    assert.match(await refusal(listed, asked("approve", terminate)), /not listed/);
    assert.match(await refusal(listed, asked("dismiss", terminate)), /not listed/);
    const answer = { ...asked("approve", []).answer, person: BO };
    assert.ok((await authorise(listed, asked("approve", terminate, { answer }))).allowed);
  });

  it("takes as many people to approve as the strictest class, and one to dismiss", async () => {
    const actions = [action("isolate"), action("terminate")];
    assert.equal((await authorise(fourEyes, asked("approve", actions))).peopleNeeded, 2);
    assert.equal((await authorise(fourEyes, asked("dismiss", actions))).peopleNeeded, 1);
  });

  it("counts nobody twice, whatever they call themselves", async () => {
    const actions = [action("terminate")];
    for (const again of [ANA, { ...BO, uid: ANA.uid }, { ...ANA, uid: 7, as: "someone else" }]) {
      const input = asked("approve", actions, { approvers: [again] });
      assert.match(await refusal(fourEyes, input), /approved already/);
    }
    const second = asked("approve", actions, { approvers: [BO] });
    assert.ok((await authorise(fourEyes, second)).allowed);
  });

  it("lets nobody approve what they asked for", async () => {
    const undo = action("undo", POD, { undoes: "scale_to_zero", requestedBy: "ana" });
    assert.match(await refusal(engine, asked("approve", [undo])), /whoever asked/);
  });

  it("refuses to approve nothing", async () => {
    assert.match(await refusal(engine, asked("approve", [])), /nothing to approve/);
  });

  it("refuses whom it cannot judge", async () => {
    const nobody = { ...asked("approve", []).answer, person: { ...ANA, user: "" } };
    const invalid = asked("approve", [action("isolate")], { answer: nobody });
    assert.match(await refusal(engine, invalid), /invalid at answer.person.user/);
    const broken = { ...engine, approve: () => Promise.reject(new Error("secret")) };
    assert.equal(await refusal(broken, asked("dismiss", [])), "the policy could not be evaluated");
  });
});

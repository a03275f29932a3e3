import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { IMPACTS, RESPONSES } from "../../actors/analyst/impact.ts";
import { AnswerSchema } from "../../actors/analyst/quarantine.ts";
import type { ToolBinding } from "../../actors/define.ts";
import {
  loadResources,
  parseResource,
  tighten,
  tightenAll,
  type AgentResource,
} from "../../actors/resources.ts";
import { KINDS } from "../../machines/protocol.ts";

const AGENTS = fileURLToPath(new URL("../../actors/agents", import.meta.url));

function resource(spec: string, path = "x.yaml"): AgentResource {
  const indented = spec.replace(/^/gm, "  ");
  return parseResource(
    path,
    `apiVersion: watchfloor.dev/v1alpha1\nkind: Agent\nmetadata: { name: x }\nspec:\n  kind: remediator\n  description: Acts.\n${indented}\n`,
  );
}

function binding(over: Partial<ToolBinding> = {}): ToolBinding {
  return {
    call: "tool",
    recovery: "reconcile",
    timeoutMs: 20_000,
    concurrencyMax: 8,
    run: () => Promise.resolve(null),
    reconcile: () => Promise.resolve(null),
    ...over,
  };
}

describe("actors: the bundled resources", () => {
  it("hold one agent of every kind", async () => {
    const resources = await loadResources(AGENTS);
    assert.deepEqual(Object.keys(resources).toSorted(), KINDS.toSorted());
    for (const kind of KINDS) assert.equal(resources[kind].kind, kind);
  });

  it("let only the remediator act", async () => {
    const resources = await loadResources(AGENTS);
    const acting = KINDS.filter((kind) =>
      resources[kind].tools.some(({ server }) => server === "cluster-act"),
    );
    assert.deepEqual(acting, ["remediator"]);
    assert.deepEqual(resources.analyst.tools, []);
  });

  it("hold no rule in the reviewer's prompt", async () => {
    const { prompt } = (await loadResources(AGENTS)).reviewer;
    assert.ok(prompt !== null && prompt.length < 200);
    assert.doesNotMatch(prompt, /\d|unless|never|threshold|if /i);
  });

  it("ask the analyst's model for what code accepts, and for nothing it would not", async () => {
    const { outputSchema } = (await loadResources(AGENTS)).analyst;
    const validate = new Ajv().compile(outputSchema ?? {});
    const properties = outputSchema?.["properties"] as Record<string, { enum?: unknown }>;
    assert.deepEqual(
      Object.keys(properties).toSorted(),
      Object.keys(AnswerSchema.shape).toSorted(),
    );
    assert.deepEqual(properties["impact"]?.enum, [...IMPACTS]);
    assert.deepEqual(properties["response"]?.enum, [...RESPONSES]);
    const answer = {
      techniques: ["T1059"],
      impact: "none",
      response: "none",
      benign: false,
      claim: 1,
      injection: false,
    };
    assert.ok(validate(answer) && AnswerSchema.safeParse(answer).success);
    assert.ok(
      !validate({ ...answer, note: "x" }) &&
        !AnswerSchema.safeParse({ ...answer, note: "x" }).success,
    );
  });

  it("use no keyword of JSON Schema that the model's service refuses", async () => {
    const { outputSchema } = (await loadResources(AGENTS)).analyst;
    assert.doesNotMatch(
      JSON.stringify(outputSchema),
      /"(minimum|maximum|minLength|maxLength|maxItems|pattern|oneOf|allOf)"/,
    );
  });
});

describe("actors: a resource that is not valid", () => {
  const faults: readonly (readonly [string, string, string])[] = [
    ["an unknown field", "colour: red", "agent resource x.yaml: spec.colour is not a known field"],
    [
      "an unknown limit",
      "limits: { time: 1 }",
      "agent resource x.yaml: spec.limits.time is not a known field",
    ],
    [
      "a limit that is none",
      "limits: { timeoutMs: 0 }",
      "agent resource x.yaml: spec.limits.timeoutMs too small: expected number to be >0",
    ],
    [
      "an unknown recovery",
      "recovery: { act: hope }",
      'agent resource x.yaml: spec.recovery.act invalid option: expected one of "retry"|"reconcile"|"escalate"',
    ],
    [
      "a tool that is no name",
      "tools: [{ server: policy, names: ['rm -rf /'] }]",
      "agent resource x.yaml: spec.tools.0.names.0 must be a name",
    ],
  ];
  for (const [what, spec, message] of faults) {
    it(`is refused with path, field and rule: ${what}`, () => {
      assert.throws(() => resource(spec), { code: "resource_invalid", message });
    });
  }

  it("is refused where it is not YAML, by line", () => {
    assert.throws(() => parseResource("x.yaml", "kind: Agent\n\tspec: ["), {
      message: "agent resource x.yaml: line 2 is not YAML",
    });
  });

  it("is refused where it is another kind of object", () => {
    assert.throws(() => parseResource("x.yaml", "apiVersion: v1\nkind: Pod"), {
      code: "resource_invalid",
    });
    assert.throws(() => parseResource("x.yaml", "just text"), { code: "resource_invalid" });
  });

  describe("in a folder", () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "agents-"));
    });
    afterEach(() => rm(folder, { recursive: true }));

    it("is refused when two are of one kind", async () => {
      const text = await readFile(join(AGENTS, "ingest.yaml"), "utf8");
      await writeFile(join(folder, "a.yaml"), text);
      await writeFile(join(folder, "b.yaml"), text);
      await assert.rejects(loadResources(folder), {
        message: `agent resource ${join(folder, "b.yaml")}: spec.kind repeats ingest`,
      });
    });

    it("is refused when a kind has none", async () => {
      await assert.rejects(loadResources(folder), {
        message: `agent resource ${folder}: spec.kind has no resource for ingest`,
      });
    });

    it("is refused when the folder is not there", async () => {
      await assert.rejects(loadResources(join(folder, "none")), { code: "config_unreadable" });
    });
  });
});

describe("actors: tightening a tool", () => {
  it("takes the smaller of two limits", () => {
    const tight = tighten(
      "act",
      binding(),
      resource("limits: { timeoutMs: 5000, concurrency: 64 }"),
    );
    assert.equal(tight.timeoutMs, 5_000);
    assert.equal(tight.concurrencyMax, 8);
  });

  it("takes a tighter recovery", () => {
    const tight = tighten("act", binding(), resource("recovery: { act: escalate }"));
    assert.equal(tight.recovery, "escalate");
  });

  it("refuses a looser one, and says which it would loosen", () => {
    const loose = resource("recovery: { act: retry }", "agents/remediator.yaml");
    assert.throws(() => tighten("act", binding(), loose), {
      message:
        "agent resource agents/remediator.yaml: spec.recovery.act is looser than the tool's own reconcile",
    });
  });

  it("refuses to reconcile with a tool that cannot be asked", () => {
    const mute: ToolBinding = {
      call: "tool",
      recovery: "retry",
      timeoutMs: 20_000,
      concurrencyMax: 8,
      run: () => Promise.resolve(null),
    };
    assert.throws(() => tighten("act", mute, resource("recovery: { act: reconcile }")), {
      code: "resource_invalid",
    });
  });

  it("leaves a tool alone that it does not mention", () => {
    assert.deepEqual(Object.keys(tighten("act", binding(), resource(""))), Object.keys(binding()));
    assert.equal(tighten("act", binding(), resource("recovery: {}")).recovery, "reconcile");
  });

  it("reaches every tool of an agent, no ask, and refuses a name that is not there", () => {
    const calls = { act: binding(), askPolicy: { call: "ask" } as const };
    const tight = tightenAll(calls, resource("recovery: { act: escalate }"));
    assert.deepEqual(tight["askPolicy"], { call: "ask" });
    assert.equal((tight["act"] as ToolBinding).recovery, "escalate");
    for (const unknown of ["askPolicy", "missing"])
      assert.throws(() => tightenAll(calls, resource(`recovery: { ${unknown}: escalate }`)), {
        code: "resource_invalid",
      });
  });
});

/**
 * The boundary of: an OPA server and this process. Each question brings its parameters and names the
 * bundle it expects an answer from; an answer from any other is no answer.
 */
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json, JsonObject } from "../machines/protocol.ts";
import { engineRevision } from "./engine.ts";
import { parametersDocument, type ReviewParameters } from "./parameters.ts";
import type { RenewableEngine } from "./serving.ts";
import {
  checkedApprovalInput,
  checkedAuthorisation,
  checkedReviewInput,
  checkedReviewResult,
} from "./shapes.ts";
import { SMOKE_PARAMETERS, SMOKE_VECTORS } from "./smoke.ts";

const REVIEW = "watchfloor/remote/reviewed";
const APPROVAL = "watchfloor/remote/approved";

/** An OPA server's data API. Rejects with `policy_unreachable` or `policy_failed`. */
export interface OpaServer {
  /** `POST /v1/data/<path>?provenance=true`; the parsed body of a 200. */
  query(path: string, input: JsonObject): Promise<Json>;
}

const answered = z.object({
  result: z.unknown(),
  provenance: z
    .object({ bundles: z.record(z.string(), z.object({ revision: z.string() })).optional() })
    .optional(),
});

interface Answered {
  readonly result: unknown;
  /** Of the one bundle the server serves; null where it serves none, or several. */
  readonly revision: string | null;
}

/** Rejects with `policy_unreachable`, or `policy_unusable` if its policy fails the smoke vectors. */
export async function connectRestEngine(
  parameters: ReviewParameters,
  server: OpaServer,
): Promise<RenewableEngine> {
  const document = parametersDocument(SMOKE_PARAMETERS);
  let revision: string | null = null;
  for (const { name, input, verdict } of SMOKE_VECTORS) {
    const said = await ask(server, REVIEW, { question: input as JsonObject, parameters: document });
    const result = checkedReviewResult(said.result);
    if (result.verdict !== verdict) throw unusable(`smoke vector ${name} gave ${result.verdict}`);
    if (revision !== null && said.revision !== revision) throw unusable("it changed while asked");
    revision = said.revision;
  }
  if (revision === null) throw unusable("the server serves no bundle with a revision");
  return engineOf(server, revision, parameters);
}

function engineOf(
  server: OpaServer,
  bundleRevision: string,
  parameters: ReviewParameters,
): RenewableEngine {
  const document = parametersDocument(parameters);
  const decide = async (path: string, question: object): Promise<unknown> => {
    const said = await ask(server, path, {
      question: question as JsonObject,
      parameters: document,
    });
    if (said.revision === bundleRevision) return said.result;
    const found = said.revision ?? "none";
    throw new WatchfloorError("policy_stale", { found, wanted: bundleRevision });
  };
  return {
    revision: engineRevision(bundleRevision, parameters),
    bundleRevision,
    parameters,
    review: async (input) => checkedReviewResult(await decide(REVIEW, checkedReviewInput(input))),
    approve: async (input) =>
      checkedAuthorisation(await decide(APPROVAL, checkedApprovalInput(input))),
    withParameters: async (other) => engineOf(server, bundleRevision, other),
  };
}

/** The revision that the server serves now; null where it cannot say. Rejects as `query` does. */
export async function servedRevision(server: OpaServer): Promise<string | null> {
  return (await ask(server, REVIEW, { question: {}, parameters: {} })).revision;
}

async function ask(server: OpaServer, path: string, input: JsonObject): Promise<Answered> {
  const parsed = answered.safeParse(await server.query(path, input));
  if (!parsed.success) throw new WatchfloorError("policy_failed", { why: "its answer is none" });
  const revisions = Object.values(parsed.data.provenance?.bundles ?? {});
  const [only] = revisions;
  const revision = revisions.length === 1 && only !== undefined ? only.revision : null;
  return { result: parsed.data.result, revision };
}

function unusable(why: string): WatchfloorError {
  return new WatchfloorError("policy_unusable", { why });
}

/**
 * The boundary of: the schemas that the code holds values to and the files that the policy's author
 * reads and OPA checks the Rego against:
 *
 *     tsx test/policies/schemas.ts      # writes policies/schemas
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { parametersData } from "../../policies/parameters.ts";
import { authorisation, authoriseInput, reviewInput, reviewResult } from "../../policies/shapes.ts";

export const FOLDER = resolve(import.meta.dirname, "../../policies/schemas");

const SCHEMAS = {
  approval_input: authoriseInput,
  approval_result: authorisation,
  parameters: parametersData,
  review_input: reviewInput,
  review_result: reviewResult,
};

/** By file name, as they are written. OPA knows draft 7, and any of several, but not one of them. */
export function schemaFiles(): Readonly<Record<string, string>> {
  const entries = Object.entries(SCHEMAS).map(([name, schema]) => {
    const json = z.toJSONSchema(schema, { target: "draft-7", io: "input" });
    const text = JSON.stringify(json, null, 2).replaceAll('"oneOf"', '"anyOf"');
    return [`${name}.json`, `${text}\n`];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(schemaFiles())) writeFileSync(join(FOLDER, name), text);
}

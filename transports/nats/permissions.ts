/**
 * The boundary of: who may do what on the server. Pure: one user a role, each with the least that its
 * agent kind needs, as text for the server's configuration. What decides over effects hangs on it:
 * the sender's kind is the last token of a mailbox's subject, and a role may publish its own alone.
 */
import { KINDS, type Kind } from "../../machines/protocol.ts";
import { inboxPrefix, type Role } from "./credentials.ts";

/** Beside the kinds: `edge` is sources and the command line, `operator` makes streams. */
export const ROLES: readonly Role[] = ["operator", "edge", ...KINDS];

/** Tables that a kind's turns leave entries in, besides its own state; each may leave dead letters. */
const TABLES: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  ingest: ["OUTCOMES", "TRACES", "MEMBERS", "EVIDENCE", "BLOBS"],
  coordinator: ["OUTCOMES", "TRACES", "MEMBERS", "CASES", "ENTITIES"],
  trainer: ["LABELS", "SETTINGS", "BLOBS"],
};

interface Grants {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

function grantsOf(role: Role): Grants {
  if (role === "operator") return { publish: [">"], subscribe: [">"] };
  const inbox = `${inboxPrefix(role)}.>`;
  if (role === "edge") {
    return {
      publish: [
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.MSG.GET.*",
        ...consumerOf("*"),
        "mbx.*.*.edge",
        "bell.mbx.>",
        // Evidence and settings are no turn's: they are written by whoever takes events or orders.
        ...["EVIDENCE", "SETTINGS", "BLOBS"].map((table) => `$KV.${table}.>`),
        "$JS.API.STREAM.PURGE.KV_BLOBS",
      ],
      subscribe: [inbox, "bell.>"],
    };
  }
  const own = [`JRN_${role}`, `MBX_${role}`, `KV_STATE_${role}`, "KV_LEASE"];
  const tables = [...(TABLES[role] ?? []), "DEAD"];
  return {
    publish: [
      `jrn.${role}.*`,
      `mbx.*.*.${role}`,
      "bell.mbx.>",
      `$KV.STATE_${role}.>`,
      ...tables.map((table) => `$KV.${table}.>`),
      // The case's coordinator alone writes what happened in it.
      ...(role === "coordinator" ? ["history.>"] : []),
      `$KV.LEASE.${role}.>`,
      `bell.lease.${role}.>`,
      `alive.${role}.>`,
      "$JS.API.STREAM.MSG.GET.*",
      ...own.map((stream) => `$JS.API.STREAM.PURGE.${stream}`),
      ...["DEAD", ...(tables.includes("BLOBS") ? ["BLOBS"] : [])].map(
        (table) => `$JS.API.STREAM.PURGE.KV_${table}`,
      ),
      ...consumerOf("KV_LEASE"),
    ],
    subscribe: [inbox, `bell.mbx.${role}.*`, `bell.lease.${role}.>`, `alive.${role}.>`],
  };
}

/** What a listing of many keys takes: a consumer that goes away with it. */
function consumerOf(stream: string): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
  ];
}

/** How a role shows who it is. */
export type Proof =
  | { readonly by: "nkey"; readonly publicKey: string }
  /** The name in the client's certificate; the server has `tls { verify_and_map: true }`. */
  | { readonly by: "certificate"; readonly name: string };

/** An account with JetStream and a user a role, as a part of the server's configuration. */
export function serverConfig(
  users: readonly { readonly role: Role; readonly proof: Proof }[],
): string {
  const lines = users.flatMap(({ role, proof }) => {
    const { publish, subscribe } = grantsOf(role);
    const who =
      proof.by === "nkey" ? `nkey: ${proof.publicKey}` : `user: ${JSON.stringify(proof.name)}`;
    return [
      `      # ${role}`,
      `      { ${who}, permissions: {`,
      `          publish: { allow: ${JSON.stringify(publish)} }`,
      `          subscribe: { allow: ${JSON.stringify(subscribe)} }`,
      // Answers to whether a runner is alive go to the inbox of whoever asked.
      `          allow_responses: true } }`,
    ];
  });
  return [
    "accounts {",
    "  WATCHFLOOR {",
    "    jetstream: enabled",
    "    users: [",
    ...lines,
    "    ]",
    "  }",
    "}",
    "",
  ].join("\n");
}

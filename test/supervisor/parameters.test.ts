/** Parameters as people meet them: the file, the command line, the running floor. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { defaultParametersPath } from "../../policies/bundle.ts";
import type { LiveParameters } from "../../policies/live-parameters.ts";
import {
  openParameters,
  parameterEntries,
  watchParameters,
  type ParameterWatch,
} from "../../supervisor/parameters.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal } from "../../transports/local/index.ts";
import { openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import { Command } from "../kit/process.ts";
import { virtualClock, type VirtualClock } from "../kit/virtual-clock.ts";
import { runInProcess, type Ran } from "../kit/cli.ts";

const SHIPPED = readFileSync(defaultParametersPath(), "utf8");
const withEvents = (max: number): string => SHIPPED.replace("eventsMax: 50", `eventsMax: ${max}`);

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "wf-parameters-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("supervisor: the parameters' file", () => {
  let clock: VirtualClock;
  let transport: Transport;
  let live: LiveParameters;
  let watch: ParameterWatch;
  const alarms: string[] = [];

  beforeEach(async () => {
    clock = virtualClock();
    transport = openMemory({ clock });
    alarms.length = 0;
    const path = join(dir, "parameters.yaml");
    writeFileSync(path, SHIPPED);
    const sources = { parameters: path, mode: null, alertBudget: null };
    live = await openParameters(sources, transport.store, clock);
    watch = watchParameters({ sources, live, clock, alarm: (error) => alarms.push(error.message) });
  });
  afterEach(async () => {
    watch.close();
    await transport.close();
  });

  const write = async (text: string): Promise<void> => {
    writeFileSync(join(dir, "parameters.yaml"), text);
    await clock.advance(2_000);
    await clock.advance(1);
  };

  it("comes into force when it changes, and is kept as a change", async () => {
    await write(withEvents(7));
    assert.equal(live.current().spec.close.eventsMax, 7);
    const entries = await parameterEntries(transport.store);
    assert.deepEqual(entries.at(-1)?.changes, [{ path: "close.eventsMax", from: 50, to: 7 }]);
    assert.match(entries.at(-1)?.why ?? "", /parameters\.yaml changed/);
  });

  it("leaves what serves in force when it is wrong, and says so once, until it is right", async () => {
    const before = live.current();
    await write(SHIPPED.replace("contain: 0.8", 'contain: "0.8"'));
    await clock.advance(10_000);
    assert.equal(live.current(), before);
    assert.equal(alarms.length, 1);
    assert.match(alarms[0]!, /spec\.confidenceFloor\.contain/);
    assert.equal(watch.fault()?.code, "config_invalid");
    await write(withEvents(8));
    assert.equal(watch.fault(), null);
    assert.equal(live.current().spec.close.eventsMax, 8);
  });

  it("is overruled by a flag for as long as that is given", async () => {
    const path = join(dir, "parameters.yaml");
    const opened = async (mode: "enforce" | null) =>
      (
        await openParameters({ parameters: path, mode, alertBudget: null }, transport.store, clock)
      ).current().spec.mode;
    assert.equal(await opened("enforce"), "enforce");
    assert.equal(await opened("enforce"), "enforce");
    assert.equal(await opened(null), "observe");
  });
});

describe("watchfloor parameters", function () {
  this.timeout(40_000);

  const cli = (...args: readonly string[]): Promise<Ran> =>
    runInProcess(dir, ["parameters", ...args]);

  it("shows what would count where no floor ever ran", async () => {
    const { code, out } = await cli("get", "confidenceFloor.contain");
    assert.deepEqual([code, out], [0, "0.8\n"]);
    assert.match((await cli("get")).out, /^apiVersion: watchfloor\.dev\/v1alpha1\nkind: ReviewP/);
    assert.equal((await cli("history")).out, "No parameters were kept yet.\n");
  });

  it("wants to know why, and refuses by name, with exit code 2", async () => {
    const unsaid = await cli("set", "killSwitch=true");
    assert.deepEqual([unsaid.code, unsaid.err.includes("--why must say why")], [2, true]);
    const unknown = await cli("get", "killswitch");
    assert.deepEqual(
      [unknown.code, unknown.err.includes("killswitch is not a parameter")],
      [2, true],
    );
    const shapeless = await cli("set", "killSwitch", "--why", "x");
    assert.match(shapeless.err, /must be PATH=VALUE/);
    assert.match((await cli("set", "mode=observe", "--why", "x")).err, /has no floor yet/);
  });

  it("keeps a change for the next start where no runner is", async () => {
    const path = join(dir, "watchfloor-data");
    await (await openLocal({ path, shardCount: 4, clock: systemClock })).close();
    const set = await cli(
      "set",
      "killSwitch=true",
      "assets.criticalityAuto=[low]",
      "--why",
      "SEC-1",
    );
    assert.equal(set.code, 0, set.err);
    assert.match(set.out, /killSwitch: false -> true \(kept; no runner is running/);
    assert.equal((await cli("get", "killSwitch")).out, "true\n");
    const history = (await cli("history", "--json")).out.trim().split("\n");
    const { who, why, changes } = JSON.parse(history.at(-1)!) as Record<string, unknown>;
    assert.equal((who as { uid: number }).uid, process.getuid?.());
    assert.deepEqual([why, (changes as unknown[]).length], ["SEC-1", 2]);
    assert.match((await cli("history")).out, /SEC-1/);
  });

  it("changes a running floor at once", async () => {
    const command = new Command();
    try {
      const run = await command.start(["--no-sample"]);
      const set = [
        "parameters",
        "set",
        "killSwitch=true",
        "--why",
        "odd isolations",
        "--as",
        "eve",
      ];
      const { code, stdout } = await command.run(set);
      assert.equal(code, 0);
      assert.match(stdout, /change 2: killSwitch: false -> true \(in force\)/);
      await run.until((line) => /Parameters: change 2 by \S+ is in force: killSwitch\./.test(line));
      const shown = await command.run(["parameters", "get", "killSwitch"]);
      assert.deepEqual([shown.stdout, shown.stderr], ["true\n", ""]);
      assert.match((await command.run(["parameters", "history"])).stdout, /odd isolations/);
      const refused = await command.run(["parameters", "set", "mode=on", "--why", "x"]);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /spec\.mode/);
    } finally {
      command.close();
    }
  });
});

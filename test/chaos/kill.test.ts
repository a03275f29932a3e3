/** A runner killed at random instants of a replay, shortly; `npm run kill` is the long campaign. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { killCampaign } from "./kill-campaign.ts";

describe("kill -9 during a replay", function () {
  this.timeout(240_000);

  it("leaves every event with its one outcome, every effect done once, every chain whole", async () => {
    const result = await killCampaign({ seed: 11, kills: 8, events: 1_500, lifeMsMax: 1_200 });
    assert.ok(result.cases > 0 && result.effects > 0, JSON.stringify(result));
  });
});

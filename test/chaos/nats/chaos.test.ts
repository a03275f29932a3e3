/** Each fault shortly, on real servers and real runners; `npm run chaos` is the long campaign. */
import { NatsServers } from "../../kit/nats-server.ts";
import { killed, paused, serverKilled, cutOff, repeated } from "./faults.ts";

describe("chaos on NATS", function () {
  this.timeout(180_000);
  let servers: NatsServers;
  before(async () => {
    servers = await NatsServers.start();
  });
  after(() => servers.stop());

  it("runners are killed: every job is done once", () => killed(servers, 2, 1).then(() => {}));
  it("a runner sleeps past its lease: it changes nothing when it wakes", () =>
    paused(servers, 1, 1).then(() => {}));
  it("the server is killed: nothing acknowledged is lost, and work goes on by itself", () =>
    serverKilled(false, 1).then(() => {}));
  it("answers of the server are lost: nothing is doubled or skipped", () =>
    cutOff(servers, "deaf", 1).then(() => {}));
  it("envelopes come again after the server forgot them: they change nothing", () =>
    repeated(servers, 60).then(() => {}));
});

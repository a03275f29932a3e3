/**
 * The boundary of: the estate's applications and their ordinary noise: what a rule set that is only
 * half tuned says all day of a shop, its payments and its night work.
 */
import type { Dice } from "./dice.ts";
import type { Deed } from "./line.ts";
import { placesOf, type Place } from "./places.ts";
import { daily, scheduled, steady, type Rhythm } from "./rhythm.ts";

/** Something that happens again and again, and where. */
export interface Habit {
  readonly rhythm: Rhythm;
  readonly places: readonly Place[];
  deed(dice: Dice): Deed;
}

const KNOWN = "Estate: connection to known service";
const HEALTH = "Estate: health check run";
const CONFIG = "Estate: configuration file read";

/** Cluster addresses of services: they do not move while the sample lasts. */
export const SERVICE_ADDRESSES = {
  apiServer: "10.43.0.1",
  dns: "10.43.0.10",
  storefront: "10.43.20.4",
  cart: "10.43.20.8",
  catalogue: "10.43.20.12",
  sessionCache: "10.43.20.16",
  paymentsApi: "10.43.30.4",
  ledgerDb: "10.43.30.8",
  prometheus: "10.43.40.4",
  chat: "10.43.50.4",
} as const;

/** Payment providers and object storage outside: few, and the same every day. */
const PROVIDERS = ["203.0.113.20", "203.0.113.21", "203.0.113.36"] as const;
const OBJECT_STORE = "203.0.113.80";
const BACKUP_HOST = "10.0.9.20";
const UPSTREAM_DNS = "10.0.0.2";

const storefront = placesOf("shop", "storefront");
const cart = placesOf("shop", "cart");
const catalogue = placesOf("shop", "catalogue");
const redis = placesOf("shop", "session-cache");
const paymentsApi = placesOf("payments", "payments-api", "payments-api");
const envoy = placesOf("payments", "payments-api", "envoy");
const postgres = placesOf("payments", "ledger-db");
const reportBuilder = placesOf("batch", "report-builder");
const dbBackup = placesOf("batch", "db-backup");
const coredns = placesOf("kube-system", "coredns");

function connects(
  proc: string,
  cmd: string,
  parent: string,
  to: NonNullable<Deed["to"]>,
  more: Partial<Deed> = {},
): Deed {
  return { rule: KNOWN, call: "connect", proc, cmd, parent, to, ...more };
}

const SHOP_HABITS: readonly Habit[] = [
  {
    rhythm: daily(11),
    places: storefront,
    deed: (dice) =>
      connects(
        "node",
        "node /srv/storefront/server.js",
        "tini",
        [
          dice.pick([
            SERVICE_ADDRESSES.cart,
            SERVICE_ADDRESSES.catalogue,
            SERVICE_ADDRESSES.paymentsApi,
          ]),
          8080,
        ],
        { dir: "/usr/local/bin" },
      ),
  },
  {
    rhythm: steady(3),
    places: storefront,
    deed: () => ({
      rule: HEALTH,
      call: "execve",
      proc: "wget",
      cmd: "wget -q --spider http://127.0.0.1:3000/healthz",
      parent: "sh",
      grand: "runc",
    }),
  },
  {
    rhythm: daily(1.2),
    places: storefront,
    deed: (dice) => ({
      rule: CONFIG,
      call: "openat",
      proc: "node",
      dir: "/usr/local/bin",
      cmd: "node /srv/storefront/server.js",
      parent: "tini",
      file: `/srv/storefront/config/${dice.pick(["features.json", "prices.json", "locale-en.json", "locale-de.json"])}`,
    }),
  },
  {
    rhythm: daily(7),
    places: cart,
    deed: () =>
      connects("cart", "cart --listen :8080", "tini", [SERVICE_ADDRESSES.sessionCache, 6379], {
        dir: "/app",
      }),
  },
  {
    rhythm: steady(2),
    places: cart,
    deed: () => ({
      rule: HEALTH,
      call: "execve",
      proc: "cart-probe",
      dir: "/app",
      cmd: "cart-probe --addr 127.0.0.1:8080",
      parent: "runc",
    }),
  },
  {
    rhythm: daily(6),
    places: catalogue,
    deed: () =>
      connects(
        "java",
        "java -Xmx512m -jar /app/catalogue.jar",
        "tini",
        [SERVICE_ADDRESSES.ledgerDb, 5432],
        { dir: "/opt/java/bin" },
      ),
  },
  {
    rhythm: steady(1.5),
    places: catalogue,
    deed: (dice) => ({
      rule: CONFIG,
      call: "openat",
      proc: "java",
      dir: "/opt/java/bin",
      cmd: "java -Xmx512m -jar /app/catalogue.jar",
      parent: "tini",
      file: dice.pick(["/app/config/application.yaml", "/app/config/log4j2.xml"]),
    }),
  },
  {
    rhythm: steady(4),
    places: redis,
    deed: () => ({
      rule: HEALTH,
      call: "execve",
      proc: "redis-cli",
      dir: "/usr/local/bin",
      cmd: "redis-cli ping",
      parent: "sh",
      grand: "runc",
    }),
  },
];

const PAYMENT_HABITS: readonly Habit[] = [
  {
    rhythm: daily(7),
    places: paymentsApi,
    deed: () =>
      connects("payments-api", "payments-api serve", "tini", [SERVICE_ADDRESSES.ledgerDb, 5432], {
        dir: "/app",
      }),
  },
  {
    rhythm: daily(3),
    places: envoy,
    deed: (dice) => ({
      rule: "Network Connection outside Local Subnet",
      call: "connect",
      proc: "envoy",
      dir: "/usr/local/bin",
      cmd: "envoy -c /etc/envoy/envoy.yaml --concurrency 2",
      parent: null,
      to: [dice.pick(PROVIDERS), 443],
    }),
  },
  {
    rhythm: steady(2),
    places: paymentsApi,
    deed: () => ({
      rule: HEALTH,
      call: "execve",
      proc: "grpc_health_probe",
      dir: "/bin",
      cmd: "grpc_health_probe -addr=127.0.0.1:9443",
      parent: "runc",
    }),
  },
  {
    rhythm: steady(4),
    places: postgres,
    deed: () => ({
      rule: HEALTH,
      call: "execve",
      proc: "pg_isready",
      dir: "/usr/local/bin",
      cmd: "pg_isready -U ledger -h 127.0.0.1 -p 5432",
      parent: "sh",
      grand: "runc",
    }),
  },
  {
    // The archive command: a database that starts a shell every few minutes, and is meant to.
    rhythm: steady(1.6),
    places: postgres,
    deed: (dice) => {
      const segment = `00000001000000${dice.between(10, 99)}000000${dice.between(10, 99)}`;
      return {
        rule: "DB program spawned process",
        call: "execve",
        proc: "sh",
        dir: "/bin",
        cmd: `sh -c test ! -f /wal/${segment} && cp pg_wal/${segment} /wal/${segment}`,
        parent: "postgres",
        grand: "postgres",
      };
    },
  },
];

const NIGHT_HABITS: readonly Habit[] = [
  {
    rhythm: scheduled(9, 1, 6),
    places: reportBuilder,
    deed: (dice) => ({
      rule: "Estate: cron job run",
      call: "execve",
      proc: "sh",
      dir: "/bin",
      cmd: `sh -c /app/report.py --kind ${dice.pick(["sales", "stock", "refunds"])} --out /reports`,
      parent: "crond",
      grand: "tini",
    }),
  },
  {
    rhythm: scheduled(12, 1, 6),
    places: reportBuilder,
    deed: () =>
      connects("python3", "python3 /app/report.py", "sh", [SERVICE_ADDRESSES.ledgerDb, 5432], {
        grand: "crond",
      }),
  },
  {
    rhythm: scheduled(10, 2, 8),
    places: dbBackup,
    deed: (dice) => {
      const [proc, cmd] = dice.pick([
        ["pg_dump", "pg_dump -Fc -h ledger-db -U backup ledger"],
        ["gzip", "gzip -9 /backup/ledger.dump"],
        ["sha256sum", "sha256sum /backup/ledger.dump.gz"],
      ] as const);
      const rule = "Estate: backup tool run";
      return { rule, call: "execve", proc, cmd, parent: "sh", grand: "crond" };
    },
  },
  {
    rhythm: scheduled(3, 2, 8),
    places: dbBackup,
    deed: () => ({
      rule: "Launch Remote File Copy Tools in Container",
      call: "execve",
      proc: "rsync",
      cmd: `rsync -a --partial /backup/ rsync://${BACKUP_HOST}/ledger`,
      parent: "sh",
      grand: "crond",
    }),
  },
  {
    rhythm: scheduled(5, 2, 8),
    places: dbBackup,
    deed: (dice) => {
      const to = dice.pick([
        [BACKUP_HOST, 873],
        [OBJECT_STORE, 443],
      ] as const);
      const rule = to[0] === OBJECT_STORE ? "Network Connection outside Local Subnet" : KNOWN;
      return connects("rsync", `rsync -a --partial /backup/ rsync://${to[0]}/ledger`, "sh", to, {
        rule,
      });
    },
  },
  {
    rhythm: daily(3),
    places: coredns,
    deed: () =>
      connects(
        "coredns",
        "coredns -conf /etc/coredns/Corefile",
        "containerd-shim",
        [UPSTREAM_DNS, 53, "udp"],
        { dir: "" },
      ),
  },
];

export const APP_HABITS: readonly Habit[] = [...SHOP_HABITS, ...PAYMENT_HABITS, ...NIGHT_HABITS];

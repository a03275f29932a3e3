/**
 * The boundary of: an address in an event and one that may stand in an action. Blocking an address
 * an attacker chose must not cut the estate from itself, so only public addresses and a cloud's
 * metadata service are ever named.
 */
import { BlockList, SocketAddress, isIP } from "node:net";
import type { FalcoEvent } from "../../machines/vocabulary.ts";

/** AWS, GCP, Azure and others; AWS on IPv6; ECS tasks; Alibaba. */
const METADATA = new Set(["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "100.100.100.200"]);

export function isMetadataAddress(text: string): boolean {
  return METADATA.has(text);
}

const INTERNAL_V4 = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  INTERNAL_V4.addSubnet(net, bits, "ipv4");

/** The one block from which public IPv6 addresses are given out. */
const PUBLIC_V6 = new BlockList();
PUBLIC_V6.addSubnet("2000::", 3, "ipv6");

/**
 * The address in its canonical form, or null. A zone (`%eth0`) is refused: what follows the percent
 * sign is free text.
 */
function publicAddress(text: string): string | null {
  if (isMetadataAddress(text)) return text;
  if (text.length > 45 || text.includes("%")) return null;
  const version = isIP(text);
  if (version === 4) return INTERNAL_V4.check(text, "ipv4") ? null : text;
  if (version === 6 && PUBLIC_V6.check(text, "ipv6"))
    return new SocketAddress({ address: text, family: "ipv6" }).address;
  return null;
}

const OUTBOUND = new Set(["connect", "sendto", "sendmsg", "sendmmsg"]);

/** Who the event's process spoke to: the remote address, or the server's of an outbound call. */
export function remoteAddress(event: FalcoEvent): string | null {
  const { fields } = event;
  const remote = fields["fd.rip"];
  if (typeof remote === "string") return publicAddress(remote);
  const server = fields["fd.sip"];
  const outbound = OUTBOUND.has(String(fields["evt.type"]));
  return outbound && typeof server === "string" ? publicAddress(server) : null;
}

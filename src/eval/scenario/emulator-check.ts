/**
 * Role: what the emulated links themselves do beside what is wanted of them: echoes between two hosts, without peers.
 *
 * Not here: what the emulator tells of itself (wan-hosts.ts).
 */

import { once } from 'node:events';
import { runForJson, TUNNEL_PROBE } from '../call-network.js';
import type { Host, Hosts } from '../namespaces.js';

const PORT = 5_999;
/** At 50 a second. */
const ECHOES = 150;

/** Round trips in milliseconds, one for each echo; null: lost. */
export async function echoesBetween(hosts: Hosts, one: Host, other: Host): Promise<(number | null)[]> {
  const server = hosts.spawn(other, process.execPath, [TUNNEL_PROBE, 'serve', other.ipv4, String(PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  if (server.stdout !== null) await once(server.stdout, 'data');
  const args = [TUNNEL_PROBE, 'echoes', other.ipv4, String(PORT), String(ECHOES)];
  const { roundTripsMs } = (await runForJson(hosts, { host: one }, args)) as {
    roundTripsMs: (number | null)[];
  };
  server.kill();
  await ended;
  return roundTripsMs;
}

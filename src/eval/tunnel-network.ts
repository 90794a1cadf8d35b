/**
 * Role: two networks joined by a virtual cable, inside a sandbox: in one the ends of tunnels, in the other what they talk to.
 *
 * Not here: what is measured (src/eval/goals/tunnel-end.ts), the programs of `peer-load` (crates/lab).
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PeerError } from '../errors.js';
import { run } from './sandbox.js';

export const NEAR = { namespace: 'near', address: '10.1.0.1' } as const;
export const FAR = { namespace: 'far', address: '10.1.0.2' } as const;
const DEVICE = 'wg0';
const READY_MS = 5_000;

/** A namespace for each side and the cable between them. */
export function makeTunnelNetworks(): void {
  for (const { namespace } of [NEAR, FAR]) {
    run('ip', ['netns', 'add', namespace]);
    run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  }
  const cable = ['link', 'add', 'eth0', 'netns', NEAR.namespace, 'type', 'veth'];
  run('ip', [...cable, 'peer', 'name', 'eth0', 'netns', FAR.namespace]);
  for (const { namespace, address } of [NEAR, FAR]) {
    run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
    run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
  }
}

/** One end of wireguard-go. */
export interface WireguardEnd {
  readonly namespace: string;
  /** Address on its device, with the prefix. */
  readonly inside: string;
  readonly port: number;
  /** Where it sends what is for the other end. */
  readonly endpoint: string;
}

/** Starts two ends that know each other's keys; their processes, near one first. `directory` is for the keys. */
export async function startWireguard(
  directory: string,
  ends: readonly [WireguardEnd, WireguardEnd],
): Promise<readonly [ChildProcess, ChildProcess]> {
  const secrets = [run('wg', ['genkey']), run('wg', ['genkey'])] as const;
  const start = (index: 0 | 1) =>
    startEnd(directory, ends[index], secrets[index], publicKey(secrets[index === 0 ? 1 : 0]));
  return [await start(0), await start(1)];
}

function publicKey(secret: string): string {
  const { stdout, status } = spawnSync('wg', ['pubkey'], { input: secret, encoding: 'utf8' });
  if (status !== 0) throw new PeerError('command', 'wg pubkey failed');
  return stdout.trim();
}

async function startEnd(
  directory: string,
  { namespace, inside, port, endpoint }: WireguardEnd,
  secret: string,
  peer: string,
): Promise<ChildProcess> {
  const key = join(directory, `${namespace}.key`);
  writeFileSync(key, secret, { mode: 0o600 });
  const device = `${DEVICE}-${namespace}`;
  const child = spawn('ip', ['netns', 'exec', namespace, 'wireguard-go', '--foreground', device], {
    // It recommends the kernel's own WireGuard at length.
    stdio: 'ignore',
  });
  await waitFor(`/run/wireguard/${device}.sock`, child);
  const inNamespace = (program: string, ...args: string[]) =>
    run('ip', ['netns', 'exec', namespace, program, ...args]);
  inNamespace(
    'wg',
    ...['set', device, 'private-key', key, 'listen-port', String(port)],
    ...['peer', peer, 'endpoint', endpoint, 'allowed-ips', '0.0.0.0/0'],
  );
  inNamespace('ip', 'addr', 'add', inside, 'dev', device);
  inNamespace('ip', 'link', 'set', device, 'up');
  return child;
}

async function waitFor(path: string, child: ChildProcess): Promise<void> {
  const end = Date.now() + READY_MS;
  while (!existsSync(path)) {
    if (child.exitCode !== null || Date.now() > end) {
      throw new PeerError('wireguard', 'wireguard-go did not start', {
        remedy: 'Install what the goals need: scripts/setup --goals',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

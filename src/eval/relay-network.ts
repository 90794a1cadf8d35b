/**
 * Role: a relay alone between networks, inside a sandbox: namespaces, virtual cables and the programs of `peer-load`.
 *
 * Not here: what is measured (src/eval/goals), the programs themselves (crates/lab).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { labBinary, linesOf } from './lab-program.js';
import { run } from './sandbox.js';

export const LOAD = labBinary('peer-load');
export const RELAY_PORT = 3001;

/** A network beside the relay's. */
export interface Side {
  /** Of the namespace. */
  readonly name: string;
  readonly own: string;
  /** The relay's address in it. */
  readonly relay: string;
  /** Where `peer-load` listens in it. */
  readonly port: number;
}

export const NEAR: Side = { name: 'near', own: '10.1.0.1', relay: '10.1.0.2', port: 5000 };
export const FAR: Side = { name: 'far', own: '10.2.0.1', relay: '10.2.0.2', port: 5001 };
export const BESIDE: Side = { name: 'beside', own: '10.3.0.1', relay: '10.3.0.2', port: 6000 };

/** A namespace for the relay and one for each side, a virtual cable to each. */
export function makeRelayNetworks(sides: readonly Side[]): void {
  for (const name of ['relay', ...sides.map((side) => side.name)]) {
    run('ip', ['netns', 'add', name]);
    run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  for (const { name, own, relay } of sides) {
    const inside = `to-${name}`;
    run('ip', [
      'link',
      'add',
      'eth0',
      'netns',
      name,
      'type',
      'veth',
      'peer',
      'name',
      inside,
      'netns',
      'relay',
    ]);
    for (const [namespace, device, address] of [
      [name, 'eth0', own],
      ['relay', inside, relay],
    ] as const) {
      run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device]);
      run('ip', ['-n', namespace, 'link', 'set', device, 'up']);
    }
  }
}

/** As `peer-load` wants a socket of a side. */
export function socketOf({ name, own, port }: Side): string {
  return `${name},${own}:${port}`;
}

export interface Load {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly identity?: string;
  /** The next line that it prints. */
  line(): Promise<string>;
}

/** Starts `peer-load` in a namespace; it tells something first. Errors: 'load'. */
export async function startLoad(namespace: string, args: readonly string[]): Promise<Load> {
  const child = spawn('ip', ['netns', 'exec', namespace, LOAD, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = linesOf(child, `peer-load ${args[0]}`);
  const first = JSON.parse(await line()) as { pid?: number; identity?: string };
  return { child, pid: child.pid ?? 0, line, ...first };
}

/** Ends it by closing its standard input. */
export function endLoad({ child }: Load): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin?.end();
  return closed;
}

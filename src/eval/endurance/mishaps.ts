/**
 * Role: what goes wrong in the endurance run: processes that die without a word, devices that vanish and come back.
 *
 * Invariants: whatever is taken away comes back; only relays and one person's own peer die, so that all other processes can be watched from
 * beginning to end.
 *
 * Not here: when (main.ts).
 */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ModuleName } from '../../config/config.js';
import type { Person } from '../demo/person.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import { any, fraction, integer } from './chance.js';

const AWAY_MS = 8_000;
/** Calls of so long afterwards may still fail to be set up by it. */
const SHADOW_MS = 45_000;

export interface Mishap {
  readonly name: string;
  /** Which calls may fail by it: those with this peer, those that are being set up, or none. */
  readonly harms: { readonly peer: string } | 'set-up' | 'nothing';
  readonly atMs: number;
}

export interface MishapParts {
  readonly network: PeerNetwork;
  readonly relays: readonly NetworkPeer[];
  /** Whose modules die. */
  readonly victim: NetworkPeer;
  /** Whose devices vanish. */
  readonly listeners: readonly Person[];
}

export class Mishaps {
  readonly counts: Record<string, number> = {};
  readonly #o: MishapParts;
  #all: Mishap[] = [];

  constructor(parts: MishapParts) {
    this.#o = parts;
  }

  /** One of them, by chance; resolves when what was taken away is back. */
  async one(): Promise<void> {
    const { relays, victim, listeners } = this.#o;
    const listener = any(listeners);
    const chance = integer(6);
    if (chance < 2) await this.#kill(any(relays), 'kx', 'set-up');
    else if (chance === 2) await this.#kill(any(relays), 'dht', 'set-up');
    else if (chance === 3)
      await this.#kill(victim, fraction() < 0.5 ? 'voip' : 'kx', { peer: victim.host.name });
    else if (chance === 4)
      await this.#unplug(listener, fraction() < 0.5 ? listener.sinks.microphone : listener.sinks.loudspeaker);
    else await this.#endSound(listener);
  }

  /** What may be the reason why a call failed that began and ended then. */
  excuse(parties: readonly string[], isSetUp: boolean, beganMs: number, endedMs: number): string | undefined {
    return this.#all.find(
      ({ harms, atMs }) =>
        atMs > beganMs - SHADOW_MS &&
        atMs < endedMs &&
        (harms === 'set-up' ? isSetUp : harms !== 'nothing' && parties.includes(harms.peer)),
    )?.name;
  }

  #note(name: string, harms: Mishap['harms']): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.#all = [...this.#all, { name, harms, atMs: performance.now() }].slice(-50);
  }

  /** Its supervisor starts it again. */
  async #kill(peer: NetworkPeer, module: ModuleName, harms: Mishap['harms']): Promise<void> {
    const { pid } = (await this.#o.network.request(peer, module, 'status')) as unknown as { pid: number };
    this.#note(`${harms === 'set-up' ? 'relay' : 'party'}'s ${module} killed`, harms);
    process.kill(pid, 'SIGKILL');
    await this.#o.network.waitFor(peer, module, `its ${module} to be back`, () => true);
  }

  async #unplug(person: Person, sink: string): Promise<void> {
    this.#note('device unplugged', 'nothing');
    const pactl = (...args: string[]) =>
      promisify(execFile)('pactl', args, { env: { ...process.env, ...person.environment } });
    const { stdout } = await pactl('list', 'short', 'modules');
    const line = stdout.split('\n').find((text) => text.includes(`sink_name=${sink} `));
    if (line === undefined) throw new Error(`no module of ${sink} in: ${stdout}`);
    await pactl('unload-module', line.split('\t')[0] as string);
    await pause(AWAY_MS);
    await pactl('load-module', ...person.sinkModule(sink));
  }

  async #endSound(person: Person): Promise<void> {
    this.#note('sound server killed', 'nothing');
    person.killSound();
    await pause(AWAY_MS);
    await person.startSound();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

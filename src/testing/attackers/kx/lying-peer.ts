/**
 * Role: a peer that lies as a KX: an honest DHT, by which others come to know it, and a KX whose engine can be told to lie.
 *
 * Invariants: to the others it is a peer like any other, with genuine links and hops; tunnels that an attacker builds by the engine
 * itself have numbers that the KX does not use.
 *
 * Not here: what it lies about (the attackers), the engine (src/engine/attacks.ts).
 */

import type { Daemon } from '../../../api/daemon.js';
import type { Config, DhtConfig, KxConfig } from '../../../config/config.js';
import { startDht } from '../../../dht/daemon.js';
import { type Lie, type LieOrder, type LyingEngine, startLyingEngine } from '../../../engine/attacks.js';
import { readDhtCertificate } from '../../../engine/dht-certificate.js';
import { ikKey } from '../../../engine/ik-handshake.js';
import type {
  EngineEvent,
  EngineKey,
  EngineOptions,
  EngineStatus,
  TunnelCommand,
} from '../../../engine/kx.js';
import { releaseMemory } from '../../../engine/memory.js';
import { searchPuzzle } from '../../../engine/puzzle.js';
import { PeerError } from '../../../errors.js';
import { loadHostkey } from '../../../identity/hostkey.js';
import { startKx } from '../../../kx/daemon.js';
import { type Candidate, PeerPool } from '../../../kx/peer-pool.js';
import { createLogger } from '../../../log.js';
import { type Attack, type Attacker, pause } from '../attacker.js';

/** Tunnels of the KX itself have lower numbers. */
const FIRST_TUNNEL = 2 ** 31;
const LOOK_EVERY_MS = 500;
/** More are not attacked. */
const OTHERS_WANTED = 32;
/** A call carries 50 each way; it is one, and not a tunnel that is built, once it lasts so many seconds. */
const CALL_CELLS_A_SECOND = 80;
const CALL_SECONDS = 3;

export type TunnelEvent = Exclude<EngineEvent, { type: 'failed' }>;

export class LyingPeer {
  readonly identity: Buffer;
  readonly #attack: Attack;
  readonly #daemons: Daemon[] = [];
  readonly #pool: PeerPool;
  #open: (() => LyingEngine) | null = null;
  #engine: LyingEngine | null = null;
  #lies: { lie: Lie; told: Record<string, number> } | null = null;
  #nextTunnel = FIRST_TUNNEL;
  #onEvent: (event: TunnelEvent) => void = () => {};

  private constructor(attack: Attack, identity: Buffer, pool: PeerPool) {
    this.#attack = attack;
    this.identity = identity;
    this.#pool = pool;
  }

  /** An attack by such a peer. Errors: 'config', 'attacks-missing', those of both modules. */
  static attack(
    run: (peer: LyingPeer, attack: Attack) => Promise<void>,
    options: { readonly withTun?: boolean } = {},
  ): Attacker['run'] {
    return async (attack) => {
      const peer = await LyingPeer.#start(attack, options);
      try {
        await run(peer, attack);
      } finally {
        await peer.#close();
      }
    };
  }

  /** Joins the network. */
  static async #start(attack: Attack, { withTun = false } = {}): Promise<LyingPeer> {
    const { config, dht, kx } = requireSections(attack.config, withTun);
    const { identity } = await loadHostkey(config.hostkeyPath);
    const log = createLogger({ level: config.logLevel, name: 'attacker' });
    const families = { ipv4: true, ipv6: false };
    const pool = new PeerPool({ dht: { host: dht.host, port: dht.port }, self: identity, families, log });
    const peer = new LyingPeer(attack, identity, pool);
    try {
      peer.#daemons.push(
        await startDht(config, log, {
          searchPuzzle,
          ikKey,
          readDhtCertificate,
          releaseMemory,
        }),
      );
      peer.#daemons.push(
        await startKx({ ...config, kx }, log, (options, onEvent) => peer.#openEngine(options, onEvent)),
      );
    } catch (error) {
      await peer.#close();
      throw error;
    }
    return peer;
  }

  /** Errors: 'config' where it says no address. */
  asOthersReachIt(): Candidate {
    const { kx, file } = this.#attack.config;
    const address = kx?.outreachHosts[0];
    if (address === undefined) throw new PeerError('config', `${file}: OUTREACH_HOSTNAME of [KX] is missing`);
    return { identity: this.identity, address, port: kx?.outreachPort ?? 0 };
  }

  /** The others, as far as the DHT shows them; as soon as it shows any, or it is over. */
  async others(): Promise<Candidate[]> {
    const { over } = this.#attack;
    for (;;) {
      const others = await this.#pool.peers(OTHERS_WANTED);
      if (others.length > 0 || over.aborted) return others;
      await pause(LOOK_EVERY_MS, over);
    }
  }

  /** Lies from now on, in place of what it did before. */
  lie(order: Omit<LieOrder, 'seed'>): Lie {
    const seed = this.#attack.random.integer(2 ** 32);
    const lie = this.#running.lie({ ...order, seed });
    this.#lies = { lie, told: {} };
    return lie;
  }

  /** An honest relay until a call goes through it, where the attack is to wait, or it is over. */
  async untilInCall(): Promise<void> {
    const { wait, over } = this.#attack;
    if (!wait) return;
    const watched = this.lie({ lie: 'none', percent: 0 });
    let carried = 0;
    for (let seconds = 0; seconds < CALL_SECONDS && !over.aborted; ) {
      await pause(1_000, over);
      const now = watched.done().cells_carried ?? 0;
      seconds = now - carried >= CALL_CELLS_A_SECOND ? seconds + 1 : 0;
      carried = now;
    }
  }

  /** Counts what the lie has done since the last call. */
  tell(): void {
    if (this.#lies === null) return;
    const { lie, told } = this.#lies;
    for (const [name, count] of Object.entries(lie.done())) {
      const fresh = count - (told[name] ?? 0);
      if (fresh > 0) this.#attack.count(name.replaceAll('_', ' '), fresh);
      told[name] = count;
    }
  }

  /** Tells now and then until it is over. */
  async tellUntilOver(): Promise<void> {
    const { over } = this.#attack;
    while (!over.aborted) {
      await pause(LOOK_EVERY_MS, over);
      this.tell();
    }
  }

  /** Number for a tunnel of the attacker's own. */
  newTunnel(): number {
    this.#nextTunnel += 1;
    return this.#nextTunnel;
  }

  /** Begins a circuit of one hop, for nobody's pseudo-identity; its tunnel. */
  begin(hop: Candidate, pseudoIdentity: Buffer): number {
    const tunnel = this.newTunnel();
    const order = { pseudoIdentity, path: [hop], token: pseudoIdentity };
    this.command({ type: 'buildIncoming', tunnel, ...order });
    return tunnel;
  }

  command(command: TunnelCommand): void {
    this.#running.command(command);
  }

  status(): EngineStatus {
    return this.#running.status();
  }

  /** Hears of the attacker's own tunnels. */
  onEvent(hear: (event: TunnelEvent) => void): void {
    this.#onEvent = hear;
  }

  /** The KX is gone without a word, with all of its links and circuits, and comes back after so long. */
  async crash(downMs: number): Promise<void> {
    this.tell();
    this.#lies = null;
    this.#running.stop();
    await pause(downMs, this.#attack.over);
    this.#engine = this.#open?.() ?? null;
  }

  async #close(): Promise<void> {
    this.tell();
    for (const daemon of this.#daemons.reverse()) await daemon.close();
  }

  get #running(): LyingEngine {
    if (this.#engine === null) throw new PeerError('attack', 'the KX is not running');
    return this.#engine;
  }

  /** What the KX takes for its engine: the one that runs now. */
  #openEngine(options: EngineOptions, onEvent: (event: EngineEvent) => void) {
    // An engine wipes the secrets that it is given.
    const link = copyOf(options.link);
    const hop = copyOf(options.hop);
    const hear = (event: EngineEvent) => {
      if (event.type === 'failed' || event.tunnel < FIRST_TUNNEL) onEvent(event);
      else this.#onEvent(event);
    };
    this.#open = () => startLyingEngine({ ...options, link: copyOf(link), hop: copyOf(hop) }, hear);
    this.#engine = this.#open();
    return {
      command: (command: Parameters<LyingEngine['command']>[0]) => this.#running.command(command),
      status: () => this.#running.status(),
      stop: () => this.#running.stop(),
    };
  }
}

function copyOf({ secret, certificate }: EngineKey): EngineKey {
  return { secret: Buffer.from(secret), certificate };
}

function requireSections(config: Config, withTun: boolean): { config: Config; dht: DhtConfig; kx: KxConfig } {
  const { dht, kx } = config;
  if (dht === null || kx === null) {
    throw new PeerError('config', `${config.file} lacks [DHT] or [KX]: this attacker is a whole peer`, {
      remedy: 'Make its config by `peer init`, with the peers to attack as HOSTLIST.',
    });
  }
  // One engine lies, and most attackers want no packets.
  return { config, dht, kx: { ...kx, workers: 1, tunIp: withTun ? kx.tunIp : null } };
}

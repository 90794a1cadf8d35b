/**
 * Role: the tunnels that API clients have asked for: building over fresh paths, answering, repairing, destroying.
 *
 * Invariants: each BUILD is answered by READY or ERROR in bounded time, on the connection that asked (design 8);
 * a tunnel lives until DESTROY, which any connection may send; an incoming tunnel that breaks is built again.
 *
 * The exchange point may be this very peer: the circuit then leaves and comes back (design 8).
 *
 * Not here: packets (the engine), the choice of hops (path.ts), the API's bytes (src/wire).
 */

import { createHmac, randomInt } from 'node:crypto';
import type { ApiConnection } from '../api/server.js';
import type { Engine, EngineEvent, KxFailure } from '../engine/kx.js';
import type { Logger } from '../log.js';
import { type ApiMessage, MESSAGE_TYPE } from '../wire/message.js';
import { type Families, reachableAddress, readyAddresses } from './addresses.js';
import type { Guards } from './guards.js';
import { choosePath } from './path.js';
import type { Candidate, PeerPool } from './peer-pool.js';

type Build = Extract<ApiMessage, { type: 'kx-build-incoming' | 'kx-build-outgoing' }>;
type Direction = 'incoming' | 'outgoing';

/** Longest path that the engine builds. */
export const MAX_HOPS = 8;
const MAX_TUNNELS = 512;
/** No further attempt is begun after this long. */
const RETRY_WITHIN_MS = 20_000;
const MAX_ATTEMPTS = 4;
const REPAIR_ATTEMPTS = 6;
const REPAIR_WAIT_MS = 1_000;

interface Tunnel {
  id: number;
  readonly key: string;
  readonly direction: Direction;
  readonly pseudoIdentity: Buffer;
  readonly exchangePoint: Candidate;
  readonly hops: number;
  clients: Set<ApiConnection>;
  state: 'building' | 'ready' | 'repairing';
  address: string | undefined;
  path: Candidate[];
  attempts: number;
  startedAt: number;
}

export interface TunnelsOptions {
  readonly engine: Engine;
  readonly pool: PeerPool;
  readonly guards: Guards;
  readonly self: Buffer;
  readonly families: Families;
  readonly hops: number;
  readonly strictDiversity: boolean;
  /** Secret from which registration tokens are derived, so that they survive a restart. */
  readonly tokenSecret: Buffer;
  readonly log: Logger;
}

export class Tunnels {
  readonly counters = { built: 0, failed: 0, repaired: 0, destroyed: 0 };
  readonly #options: TunnelsOptions;
  readonly #byKey = new Map<string, Tunnel>();
  readonly #byId = new Map<number, Tunnel>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #nextId = 1;
  #closed = false;

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** A BUILD (Spec 3.2.1, 3.2.2). */
  build(client: ApiConnection, message: Build): void {
    const { families, hops } = this.#options;
    const direction: Direction = message.type === 'kx-build-incoming' ? 'incoming' : 'outgoing';
    const address = reachableAddress(message.exchangePoint, families);
    const wanted = Math.max(hops, message.hops);
    const { identity, kxPort } = message.exchangePoint;
    const key = `${direction} ${message.pseudoIdentity.toString('hex')} ${identity.toString('hex')}`;
    const known = this.#byKey.get(key);
    if (known !== undefined && known.state !== 'repairing') {
      known.clients.add(client);
      if (known.state === 'ready') this.#sendReady(known, client);
      return;
    }
    if (address === null || kxPort === 0 || wanted > MAX_HOPS || this.#byKey.size >= MAX_TUNNELS) {
      this.counters.failed += 1;
      client.send(errorFor(direction, message.pseudoIdentity));
      return;
    }
    if (known !== undefined) this.#remove(known);
    const tunnel: Tunnel = {
      id: 0,
      key,
      direction,
      pseudoIdentity: message.pseudoIdentity,
      exchangePoint: { identity, address, port: kxPort },
      hops: wanted,
      clients: new Set([client]),
      state: 'building',
      address: undefined,
      path: [],
      attempts: 0,
      startedAt: Date.now(),
    };
    this.#byKey.set(key, tunnel);
    void this.#attempt(tunnel);
  }

  /** A DESTROY (Spec 3.2.4): everything of the pseudo-identity; ERROR where there is nothing. */
  destroy(client: ApiConnection, pseudoIdentity: Buffer): void {
    const found = [...this.#byKey.values()].filter((tunnel) => tunnel.pseudoIdentity.equals(pseudoIdentity));
    if (found.length === 0) {
      client.send({ type: 'kx-error', requestType: MESSAGE_TYPE.kxDestroy, pseudoIdentity });
    }
    for (const tunnel of found) {
      this.counters.destroyed += 1;
      this.#remove(tunnel);
    }
  }

  /** A client has gone; its tunnels stay (design 8). */
  forgetClient(client: ApiConnection): void {
    for (const tunnel of this.#byKey.values()) tunnel.clients.delete(client);
  }

  handleEvent(event: Exclude<EngineEvent, { type: 'failed' }>): void {
    const tunnel = this.#byId.get(event.tunnel);
    if (tunnel === undefined) return;
    switch (event.type) {
      case 'tunnelReady':
        this.#options.guards.noteSuccess(tunnel.path);
        if (tunnel.state === 'repairing') this.counters.repaired += 1;
        else this.counters.built += 1;
        if (tunnel.state === 'building') {
          tunnel.address = event.address;
          for (const client of tunnel.clients) this.#sendReady(tunnel, client);
        }
        tunnel.state = 'ready';
        tunnel.attempts = 0;
        return;
      case 'tunnelFailed':
        this.#byId.delete(tunnel.id);
        this.#handleFailure(tunnel, event.failure, event.hop);
        return;
      case 'tunnelClosed':
        this.#byId.delete(tunnel.id);
        this.#options.log.info({ direction: tunnel.direction, failure: event.failure }, 'a tunnel broke');
        if (tunnel.direction === 'outgoing') this.#fail(tunnel);
        else this.#repair(tunnel);
        return;
    }
  }

  status(): { tunnels: number; ready: number; counters: Readonly<Record<string, number>> } {
    const ready = [...this.#byKey.values()].filter((tunnel) => tunnel.state === 'ready').length;
    return { tunnels: this.#byKey.size, ready, counters: this.counters };
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const tunnel of this.#byKey.values()) this.#remove(tunnel);
  }

  async #attempt(tunnel: Tunnel): Promise<void> {
    const { engine, pool, guards, self, strictDiversity, log } = this.#options;
    tunnel.attempts += 1;
    const peers = await pool.peers(tunnel.hops + 2);
    if (this.#closed || this.#byKey.get(tunnel.key) !== tunnel) return;
    const { exchangePoint, hops } = tunnel;
    const request = { exchangePoint, hops, self, strict: strictDiversity, now: Date.now() };
    const path = choosePath(peers, guards, request, randomInt);
    this.#saveGuards();
    if (path === null) {
      log.warn({ known: peers.length, hops }, 'too few peers are known for a tunnel');
      this.#handleFailure(tunnel, 'exhausted', 0);
      return;
    }
    tunnel.path = path;
    tunnel.id = this.#nextId;
    this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    this.#byId.set(tunnel.id, tunnel);
    const common = { tunnel: tunnel.id, pseudoIdentity: tunnel.pseudoIdentity, path };
    engine.command(
      tunnel.direction === 'incoming'
        ? { type: 'buildIncoming', ...common, token: this.#token(tunnel) }
        : { type: 'buildOutgoing', ...common },
    );
  }

  #saveGuards(): void {
    const { guards, log } = this.#options;
    guards.save().catch((error: unknown) => log.error({ err: error }, 'the pinned hops cannot be kept'));
  }

  /** The same for every circuit of this owner at this exchange point, and for nobody else. */
  #token(tunnel: Tunnel): Buffer {
    return createHmac('sha256', this.#options.tokenSecret)
      .update('registration')
      .update(tunnel.pseudoIdentity)
      .update(tunnel.exchangePoint.identity)
      .digest();
  }

  #handleFailure(tunnel: Tunnel, failure: KxFailure, hop: number): void {
    const { log, pool, guards } = this.#options;
    const failed = tunnel.path[hop];
    const atExchangePoint = hop >= tunnel.hops - 1;
    log.info(
      { direction: tunnel.direction, failure, hop, attempt: tunnel.attempts },
      'a tunnel was not built',
    );
    if (failed !== undefined && !atExchangePoint) {
      pool.forget(failed.identity);
      guards.noteFailure(failed, Date.now());
      this.#saveGuards();
    }
    // What the exchange point itself says is final; a bad relay is not.
    const final =
      failure === 'unknown-pseudo-identity' ||
      failure === 'taken' ||
      (atExchangePoint && failure !== 'timeout');
    if (tunnel.state === 'repairing') {
      if (tunnel.attempts >= REPAIR_ATTEMPTS) this.#fail(tunnel);
      else this.#later(() => this.#attempt(tunnel));
      return;
    }
    const late = Date.now() - tunnel.startedAt > RETRY_WITHIN_MS || tunnel.attempts >= MAX_ATTEMPTS;
    if (final || late) this.#fail(tunnel);
    else if (failure === 'exhausted') this.#later(() => this.#attempt(tunnel));
    else void this.#attempt(tunnel);
  }

  #repair(tunnel: Tunnel): void {
    tunnel.state = 'repairing';
    tunnel.attempts = 0;
    void this.#attempt(tunnel);
  }

  #fail(tunnel: Tunnel): void {
    this.counters.failed += 1;
    for (const client of tunnel.clients) client.send(errorFor(tunnel.direction, tunnel.pseudoIdentity));
    this.#remove(tunnel);
  }

  #remove(tunnel: Tunnel): void {
    if (this.#byKey.get(tunnel.key) === tunnel) this.#byKey.delete(tunnel.key);
    if (this.#byId.delete(tunnel.id)) this.#options.engine.command({ type: 'destroy', tunnel: tunnel.id });
  }

  #sendReady(tunnel: Tunnel, client: ApiConnection): void {
    const { pseudoIdentity } = tunnel;
    client.send({ type: 'kx-ready', pseudoIdentity, ...readyAddresses(tunnel.address) });
  }

  #later(run: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) void run();
    }, REPAIR_WAIT_MS);
    this.#timers.add(timer);
  }
}

function errorFor(direction: Direction, pseudoIdentity: Buffer): ApiMessage {
  const requestType = direction === 'incoming' ? MESSAGE_TYPE.kxBuildIncoming : MESSAGE_TYPE.kxBuildOutgoing;
  return { type: 'kx-error', requestType, pseudoIdentity };
}

/**
 * Role: the tunnels that API clients have asked for: building, answering, rotating, repairing, destroying.
 *
 * Invariants: each BUILD is answered by READY or ERROR in bounded time, on the connection that asked (design 8);
 * a tunnel lives until DESTROY, which any connection may send. Periodically, at jittered times, each tunnel goes over to
 * fresh relays without its client noticing (Spec 3.2); one whose circuit breaks is repaired in the same way; an incoming
 * one that is lost altogether is built again.
 *
 * The exchange point may be this very peer: the circuit then leaves and comes back (design 8).
 *
 * Not here: packets (the engine), the choice of hops (path.ts), the API's bytes (src/wire).
 */

import { createHmac, randomInt } from 'node:crypto';
import type { ApiConnection } from '../api/server.js';
import type { Engine, EngineEvent, KxFailure } from '../engine/kx.js';
import type { Logger } from '../log.js';
import { decodeBuildExtension } from '../wire/build-extension.js';
import { type ApiMessage, MESSAGE_TYPE } from '../wire/message.js';
import { type Families, reachableAddress, readyAddresses } from './addresses.js';
import { Cover } from './cover.js';
import { Delays } from './delays.js';
import type { Guards } from './guards.js';
import { choosePath } from './path.js';
import type { Candidate, PeerPool } from './peer-pool.js';
import { Suspects } from './suspects.js';
import { type Direction, errorFor, firstFor, isFinal, newTunnel, replacedBy, type Tunnel } from './tunnel.js';
import { TunnelExtension } from './tunnel-extension.js';

type Build = Extract<ApiMessage, { type: 'kx-build-incoming' | 'kx-build-outgoing' }>;

/** Longest path that the engine builds. */
export const MAX_HOPS = 8;
const MAX_TUNNELS = 512;
/** No further attempt is begun after this long. */
const RETRY_WITHIN_MS = 20_000;
const MAX_ATTEMPTS = 4;
const REBUILD_ATTEMPTS = 6;
/** A rotation that failed is tried again after this part of the period. */
const RETRY_ROTATION = 0.1;
/** The longest time to a rotation, in periods. */
const LONGEST_ROTATION = 1.5;
/** A registration is shown anew at the latest so long before it expires, and then about so soon. */
const REGISTRATION_RESERVE_SECONDS = 600;
/** Where tunnels rotate seldom, a registration is shown when it has so long left, not with each of its renewals. */
const MOST_UNSHOWN_SECONDS = 3_600;
const SOON_SECONDS = 60;
const REPAIR_WAIT_MS = 1_000;
/** A repair that takes longer begins again with other peers, twice as patient: the first may have met a dead one. */
const REPAIR_PATIENCE_MS = 1_500;
/** A tunnel in whose place another one was built: so long callers may still come by it who looked up the older record. */
const LINGER_MS = 120_000;
/** How long a tunnel without any API connection lives without traffic (design 8). */
const REAP_SECONDS = { outgoing: 3_600, incoming: 12 * 3_600 };

export interface TunnelsOptions {
  readonly engine: Engine;
  readonly pool: PeerPool;
  readonly guards: Guards;
  readonly self: Buffer;
  readonly families: Families;
  readonly hops: number;
  readonly strictDiversity: boolean;
  /** Mean time between rotations of a tunnel. */
  readonly rotateSeconds: number;
  /** Calls at once that cover traffic hides; 0: no cover. */
  readonly cover: number;
  /** Secret from which registration tokens are derived, so that they survive a restart. */
  readonly tokenSecret: Buffer;
  /** How long a tunnel in whose place another one was built stays; default 2 min. */
  readonly lingerMs?: number;
  readonly log: Logger;
}

export class Tunnels {
  readonly counters = {
    built: 0,
    failed: 0,
    repaired: 0,
    rebuilt: 0,
    rotated: 0,
    rotationsFailed: 0,
    destroyed: 0,
    lossy: 0,
  };
  readonly #options: TunnelsOptions;
  readonly #byKey = new Map<string, Tunnel>();
  readonly #byId = new Map<number, Tunnel>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #suspects = new Suspects();
  readonly #delays: Delays;
  readonly #cover: Cover;
  #nextId = 1;
  #closed = false;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#delays = new Delays(options.self);
    this.#cover = new Cover(options.engine, options.cover);
  }

  /** A BUILD (Spec 3.2.1, 3.2.2). */
  build(client: ApiConnection, message: Build): void {
    const { families, hops } = this.#options;
    const direction: Direction = message.type === 'kx-build-incoming' ? 'incoming' : 'outgoing';
    const address = reachableAddress(message.exchangePoint, families);
    const wanted = Math.max(hops, message.hops);
    const { identity, kxPort } = message.exchangePoint;
    const extension = decodeBuildExtension(message.extension);
    const key = `${direction} ${message.pseudoIdentity.toString('hex')} ${identity.toString('hex')}`;
    const known = this.#byKey.get(key);
    if (known !== undefined && extension !== null && known.state !== 'rebuilding') {
      known.clients.add(client);
      known.builds += 1;
      if (known.extension.renew(direction, extension)) this.#extend(known);
      this.#reap(known);
      if (known.state !== 'building') this.#sendReady(known, client);
      return;
    }
    if (
      extension === null ||
      address === null ||
      kxPort === 0 ||
      wanted > MAX_HOPS ||
      this.#byKey.size >= MAX_TUNNELS
    ) {
      this.counters.failed += 1;
      client.send(errorFor(direction, message.pseudoIdentity));
      return;
    }
    // Of a tunnel that is being built again, what was told before still holds.
    const told = known?.extension.copy() ?? new TunnelExtension();
    if (known !== undefined) this.#remove(known);
    const { pseudoIdentity } = message;
    const token = direction === 'incoming' ? this.#ownerToken(pseudoIdentity, identity) : null;
    const at = { identity, address, port: kxPort };
    const tunnel = newTunnel(key, direction, pseudoIdentity, at, wanted, token, told);
    tunnel.clients.add(client);
    tunnel.extension.renew(direction, extension);
    tunnel.insteadOf = direction === 'incoming' ? (extension.insteadOf ?? null) : null;
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
      // Each BUILD has an answer: a client that builds again would take the next one for that of its first BUILD.
      if (tunnel.state === 'building') this.#sendError(tunnel);
      this.#remove(tunnel);
    }
  }

  /** A client has gone; its tunnels stay (design 8). */
  forgetClient(client: ApiConnection): void {
    for (const tunnel of this.#byKey.values()) {
      if (tunnel.clients.delete(client) && tunnel.clients.size === 0) this.#reap(tunnel);
    }
  }

  handleEvent(event: Exclude<EngineEvent, { type: 'failed' }>): void {
    const tunnel = this.#byId.get(event.tunnel);
    if (tunnel === undefined) return;
    switch (event.type) {
      case 'tunnelReady':
        this.#handleReady(tunnel, event.address, event.stepMs);
        return;
      case 'rotationFailed':
        this.counters.rotationsFailed += 1;
        this.#noteFailedHop(tunnel, event.failure, event.hop);
        if (tunnel.state === 'repairing') this.#later(() => this.#repair(tunnel, REPAIR_PATIENCE_MS));
        else this.#scheduleRotation(tunnel, RETRY_ROTATION);
        return;
      case 'tunnelLossy':
        // Some hop drops cells, or holds them up: others take over, as in a rotation.
        if (tunnel.state !== 'ready') return;
        this.#options.log.info({ direction: tunnel.direction }, 'a tunnel loses data or holds it up');
        this.counters.lossy += 1;
        for (const hop of tunnel.carrying.slice(0, -1)) this.#suspects.addLossy(hop, Date.now());
        void this.#rotate(tunnel);
        return;
      case 'tunnelBroken':
        this.#options.log.info({ direction: tunnel.direction, failure: event.failure }, 'a circuit broke');
        tunnel.state = 'repairing';
        this.#suspectBroken(tunnel, event.failure);
        void this.#repair(tunnel, REPAIR_PATIENCE_MS);
        return;
      case 'tunnelFailed':
        this.#byId.delete(tunnel.id);
        this.#handleFailure(tunnel, event.failure, event.hop);
        return;
      case 'tunnelClosed':
        this.#byId.delete(tunnel.id);
        this.#options.log.info({ direction: tunnel.direction, failure: event.failure }, 'a tunnel was lost');
        if (event.failure === 'idle') this.#remove(tunnel);
        else if (tunnel.direction === 'outgoing') this.#fail(tunnel);
        else this.#rebuild(tunnel);
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
    const { engine } = this.#options;
    tunnel.attempts += 1;
    const path = await this.#choosePath(tunnel);
    if (!this.#isThere(tunnel)) return;
    if (path === null) {
      this.#handleFailure(tunnel, 'exhausted', 0);
      return;
    }
    tunnel.path = path;
    tunnel.id = this.#nextId;
    this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    this.#byId.set(tunnel.id, tunnel);
    tunnel.reaped = false;
    const { id, pseudoIdentity, token } = tunnel;
    const type = tunnel.direction === 'incoming' ? 'buildIncoming' : 'buildOutgoing';
    // First: a circuit may be built before another command comes, and registers with what is known by then.
    this.#sendExtension(tunnel);
    engine.command({ type, tunnel: id, pseudoIdentity, path, token });
  }

  #sendExtension(tunnel: Tunnel): void {
    const command = tunnel.extension.command(tunnel.id);
    if (command !== null && this.#byId.has(tunnel.id)) this.#options.engine.command(command);
  }

  /** Key and port count at once; a registration with the next circuit, which must come before the last one expires. */
  #extend(tunnel: Tunnel): void {
    this.#sendExtension(tunnel);
    const { rotateSeconds } = this.#options;
    const nextRotation = Math.min(rotateSeconds * LONGEST_ROTATION, MOST_UNSHOWN_SECONDS);
    const forSeconds = nextRotation + REGISTRATION_RESERVE_SECONDS;
    const isUrgent = tunnel.extension.shouldShow(Date.now() / 1000, forSeconds);
    if (tunnel.state === 'ready' && isUrgent) {
      this.#scheduleRotation(tunnel, Math.min(1, SOON_SECONDS / rotateSeconds));
    }
  }

  async #rotate(tunnel: Tunnel): Promise<void> {
    const { id } = tunnel;
    // While it waited, the tunnel may have been lost and be in building again.
    if (tunnel.state !== 'ready' && tunnel.state !== 'repairing') return;
    const path = await this.#choosePath(tunnel);
    if (!this.#isThere(tunnel) || tunnel.id !== id || !this.#byId.has(id)) return;
    if (path === null) {
      if (tunnel.state === 'repairing') this.#later(() => this.#rotate(tunnel));
      else this.#scheduleRotation(tunnel, RETRY_ROTATION);
      return;
    }
    tunnel.path = path;
    this.#options.engine.command({ type: 'rotate', tunnel: id, path });
  }

  async #repair(tunnel: Tunnel, patienceMs: number): Promise<void> {
    await this.#rotate(tunnel);
    const { id, path } = tunnel;
    this.#later(async () => {
      if (tunnel.state !== 'repairing' || tunnel.id !== id || tunnel.path !== path) return;
      this.#suspect(path.slice(0, -1));
      await this.#repair(tunnel, patienceMs * 2);
    }, patienceMs);
  }

  /** A fresh path for a tunnel; `null` where too few peers are known. */
  async #choosePath(tunnel: Tunnel): Promise<Candidate[] | null> {
    const { pool, guards, self, strictDiversity: strict, log } = this.#options;
    const { exchangePoint, hops } = tunnel;
    const peers = await pool.peers(hops + 2);
    const now = Date.now();
    const suspicionOf = (peer: Candidate) => this.#suspects.weigh(peer, now);
    const delayOf = (path: readonly Candidate[]) => this.#delays.estimate(path);
    const preferredFirst = firstFor(tunnel, this.#byKey.values(), randomInt);
    const request = { exchangePoint, hops, self, strict, suspicionOf, preferredFirst, delayOf, now };
    const path = choosePath(peers, guards, request, randomInt);
    this.#saveGuards();
    if (path === null) log.warn({ known: peers.length, hops }, 'too few peers are known for a tunnel');
    return path;
  }

  #isThere(tunnel: Tunnel): boolean {
    return !this.#closed && this.#byKey.get(tunnel.key) === tunnel;
  }

  #handleReady(tunnel: Tunnel, address: string | undefined, stepMs: readonly number[]): void {
    this.#delays.note(tunnel.path, stepMs);
    this.#options.guards.noteSuccess(tunnel.path);
    for (const hop of tunnel.path) this.#suspects.clear(hop);
    tunnel.carrying = tunnel.path;
    tunnel.extension.noteShown();
    this.#reap(tunnel);
    this.#updateCover();
    tunnel.address = address;
    tunnel.attempts = 0;
    const { state } = tunnel;
    tunnel.state = 'ready';
    this.counters[
      ({ building: 'built', ready: 'rotated', repairing: 'repaired', rebuilding: 'rebuilt' } as const)[state]
    ] += 1;
    if (state === 'building') for (const client of tunnel.clients) this.#sendReady(tunnel, client);
    this.#replace(tunnel);
    this.#scheduleRotation(tunnel, 1);
  }

  /** Ends the tunnel in whose place this one was built, unless its client has asked for it again. */
  #replace(tunnel: Tunnel): void {
    const old = replacedBy(tunnel, this.#byKey.values());
    tunnel.insteadOf = null;
    if (old === undefined) return;
    const { builds } = old;
    const end = async () => (this.#isThere(old) && old.builds === builds ? this.#remove(old) : undefined);
    this.#later(end, this.#options.lingerMs ?? LINGER_MS);
  }

  /** The next rotation, after about `part` of the period: jittered, so that its moment tells nothing. */
  #scheduleRotation(tunnel: Tunnel, part: number): void {
    if (tunnel.rotation !== null) clearTimeout(tunnel.rotation);
    const meanMs = this.#options.rotateSeconds * 1000 * part;
    const delayMs = meanMs * (0.5 + randomInt(2 ** 20) / 2 ** 20);
    const turn = () => {
      if (tunnel.state === 'ready') void this.#rotate(tunnel);
    };
    tunnel.rotation = setTimeout(turn, delayMs).unref();
  }

  #saveGuards(): void {
    const { guards, log } = this.#options;
    guards.save().catch((error: unknown) => log.error({ err: error }, 'the pinned hops cannot be kept'));
  }

  /** The same for every tunnel of this owner at this exchange point, also after a restart, and for nobody else. */
  #ownerToken(pseudoIdentity: Buffer, exchangePoint: Buffer): Buffer {
    const hmac = createHmac('sha256', this.#options.tokenSecret).update('registration');
    return hmac.update(pseudoIdentity).update(exchangePoint).digest();
  }

  #handleFailure(tunnel: Tunnel, failure: KxFailure, hop: number): void {
    const atExchangePoint = hop >= tunnel.hops - 1;
    this.#noteFailedHop(tunnel, failure, hop);
    if (tunnel.state === 'rebuilding') {
      if (tunnel.attempts >= REBUILD_ATTEMPTS) this.#fail(tunnel);
      else this.#later(() => this.#attempt(tunnel));
      return;
    }
    const late = Date.now() - tunnel.startedAt > RETRY_WITHIN_MS || tunnel.attempts >= MAX_ATTEMPTS;
    if (isFinal(failure, atExchangePoint) || late) this.#fail(tunnel);
    else if (failure === 'exhausted') this.#later(() => this.#attempt(tunnel));
    else void this.#attempt(tunnel);
  }

  /** The engine knows when the first hop is gone; of what broke behind it, it hears only that it did. */
  #suspectBroken(tunnel: Tunnel, failure: KxFailure): void {
    // The exchange point itself has forgotten the tunnel: no relay did that.
    if (failure === 'unknown-pseudo-identity') return;
    const [first, ...others] = tunnel.carrying.slice(0, -1);
    if (failure !== 'unreachable' || first === undefined) {
      this.#suspect(others);
      return;
    }
    this.#suspect([first]);
    // Down, and not only suspected: where no other pinned peer can stand on this path, a further one joins.
    this.#noteFailure(first);
  }

  #noteFailure(peer: Candidate): void {
    this.#options.guards.noteFailure(peer, Date.now());
    this.#saveGuards();
  }

  #suspect(peers: readonly Candidate[]): void {
    for (const peer of peers) this.#suspects.add(peer, Date.now());
  }

  /** Without any API connection a tunnel ends after a time without traffic; with one it stays. */
  #reap(tunnel: Tunnel): void {
    const reaped = tunnel.clients.size === 0;
    if (!this.#byId.has(tunnel.id) || tunnel.reaped === reaped) return;
    tunnel.reaped = reaped;
    const afterSeconds = reaped ? REAP_SECONDS[tunnel.direction] : 0;
    this.#options.engine.command({ type: 'reap', tunnel: tunnel.id, afterSeconds });
  }

  #noteFailedHop(tunnel: Tunnel, failure: KxFailure, hop: number): void {
    const { direction, attempts: attempt, hops, path } = tunnel;
    this.#options.log.info({ direction, failure, hop, attempt }, 'a circuit was not built');
    // What the exchange point or the other end does not answer, any hop may have swallowed: none is to blame for it.
    if (hop >= hops - 1 && failure === 'timeout') this.#suspect(path.slice(0, -1));
    const failed = path[hop];
    if (failed === undefined || hop >= hops - 1 || failure === 'exhausted') return;
    this.#options.pool.forget(failed.identity);
    this.#noteFailure(failed);
  }

  #rebuild(tunnel: Tunnel): void {
    tunnel.state = 'rebuilding';
    tunnel.attempts = 0;
    void this.#attempt(tunnel);
  }

  #fail(tunnel: Tunnel): void {
    this.counters.failed += 1;
    this.#sendError(tunnel);
    this.#remove(tunnel);
  }

  #sendError({ clients, direction, pseudoIdentity }: Tunnel): void {
    for (const client of clients) client.send(errorFor(direction, pseudoIdentity));
  }

  #remove(tunnel: Tunnel): void {
    if (this.#byKey.get(tunnel.key) === tunnel) this.#byKey.delete(tunnel.key);
    if (tunnel.rotation !== null) clearTimeout(tunnel.rotation);
    tunnel.extension.wipe();
    if (this.#byId.delete(tunnel.id)) this.#options.engine.command({ type: 'destroy', tunnel: tunnel.id });
    this.#updateCover();
  }

  #updateCover(): void {
    this.#cover.update(this.#byKey.size > 0, this.#options.guards.firstHops(Date.now()));
  }

  #sendReady(tunnel: Tunnel, client: ApiConnection): void {
    const { pseudoIdentity } = tunnel;
    client.send({ type: 'kx-ready', pseudoIdentity, ...readyAddresses(tunnel.address) });
  }

  #later(run: () => Promise<void>, afterMs = REPAIR_WAIT_MS): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) void run();
    }, afterMs).unref();
    this.#timers.add(timer);
  }
}

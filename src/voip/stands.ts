/**
 * Role: the exchange points at which one pseudo-identity can be reached at present, and the tunnels to them.
 *
 * Invariants: no two are the same peer; one BUILD at a time, since its answer does not say which exchange point it is of;
 * what the KX gets for one exchange point is worth nothing at another.
 *
 * Not here: when they are made, renewed and changed, and the record (registration.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../api/client.js';
import { dhtTrace } from '../api/dht-client.js';
import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import { encodeBuildExtension } from '../wire/build-extension.js';
import type { PeerAddress } from '../wire/message.js';
import type { Door } from '../wire/presence-record.js';
import type { KxLink } from './kx-link.js';
import { signRegistration } from './signed-registration.js';
import { deriveTunnelKey } from './tunnel-key.js';

/** Longer than a DHT that fails keeps the refresh from succeeding in ordinary times; the exchange point takes 24 h at most. */
const REGISTRATION_SECONDS = 4 * 3_600;
const TRACE_TIMEOUT_MS = 5_000;
const BUILD_TIMEOUT_MS = 60_000;
/** Signed for later than this, a registration may be refused as being of the future (docs/protocol/kx.md: 10 min). */
const MOST_AHEAD_SECONDS = 300n;

export interface StandsOptions {
  readonly identity: PseudoIdentity;
  readonly dht: ApiEndpoint;
  readonly kx: KxLink;
  readonly hops: number;
  /** Whether the KX understands BUILD extensions. */
  readonly extensions: boolean;
  /** Where callers come in, on `TUN_IP`. */
  readonly voipPort: () => number;
}

export class Stands {
  readonly #options: StandsOptions;
  #all: PeerAddress[] = [];
  /** Of the newest signed registration, Unix seconds. */
  #lastSignedAt = 0n;

  constructor(options: StandsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#all.length;
  }

  /** For the record. */
  doors(): Door[] {
    const { identity, extensions } = this.#options;
    return this.#all.map((exchangePoint) => ({
      exchangePoint,
      tunnelKey: extensions ? deriveTunnelKey(identity.secretKey, exchangePoint.identity).publicKey : null,
    }));
  }

  /**
   * One more; with `instead`, in place of the oldest, which the KX ends a while after. `false` where `stopped` meanwhile.
   * Errors: no peer is known; those of the KX.
   */
  async add(stopped: () => boolean, instead = false): Promise<boolean> {
    const exchangePoint = await this.#choose();
    const oldest = instead ? this.#all[0] : undefined;
    if (stopped()) return false;
    // Another exchange point has seen nothing signed yet: a clock that was once ahead must not count for ever.
    if (this.#all.length === 0) this.#lastSignedAt = 0n;
    await this.#build(exchangePoint, oldest);
    if (stopped()) return false;
    this.#all = [...this.#all.filter((other) => other !== oldest), exchangePoint];
    return true;
  }

  /** The KX gets newer registrations, and builds again what it has lost. Drops what cannot be had any more. */
  async renew(stopped: () => boolean, onLost: (error: Error) => void): Promise<void> {
    // A KX that is away says nothing of the exchange points.
    await this.#options.kx.get();
    for (const exchangePoint of this.#all) {
      if (stopped()) return;
      try {
        await this.#build(exchangePoint);
      } catch (error) {
        if (stopped()) return;
        this.#all = this.#all.filter((other) => other !== exchangePoint);
        onLost(error as Error);
      }
    }
  }

  /** Ends all tunnels. */
  async destroy(): Promise<void> {
    this.#all = [];
    const client = await this.#options.kx.get().catch(() => null);
    client?.destroy(this.#options.identity.publicKey);
  }

  async #choose(): Promise<PeerAddress> {
    const hops = await dhtTrace(this.#options.dht, randomBytes(32), TRACE_TIMEOUT_MS);
    const usable = hops.filter(
      ({ identity, kxPort, ipv4, ipv6 }) =>
        kxPort !== 0 &&
        (ipv4 !== null || ipv6 !== null) &&
        !this.#all.some((other) => other.identity.equals(identity)),
    );
    const chosen = usable[randomInt(Math.max(usable.length, 1))];
    if (chosen === undefined) throw new Error('no further peer is known that could be the exchange point');
    return chosen;
  }

  /** Of a tunnel that is there already, it renews what the extension says. */
  async #build(exchangePoint: PeerAddress, insteadOf?: PeerAddress): Promise<void> {
    const { kx, hops, identity } = this.#options;
    const client = await kx.get();
    await client.buildIncoming({
      hops,
      pseudoIdentity: identity.publicKey,
      exchangePoint,
      extension: this.#extension(exchangePoint, insteadOf),
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  }

  #extension({ identity: exchangePoint }: PeerAddress, insteadOf?: PeerAddress): Buffer {
    const { identity, extensions, voipPort } = this.#options;
    if (!extensions) return Buffer.alloc(0);
    const now = BigInt(Math.floor(Date.now() / 1000));
    if (this.#lastSignedAt > now + MOST_AHEAD_SECONDS) throw new Error('the clock was set back');
    this.#lastSignedAt = now > this.#lastSignedAt ? now : this.#lastSignedAt + 1n;
    const time = this.#lastSignedAt;
    const terms = { exchangePoint, time, expiry: time + BigInt(REGISTRATION_SECONDS) };
    return encodeBuildExtension({
      tunnelSecret: deriveTunnelKey(identity.secretKey, exchangePoint).secret,
      registration: signRegistration(identity, terms, randomBytes(32)),
      port: voipPort(),
      ...(insteadOf && { insteadOf: insteadOf.identity }),
    });
  }
}

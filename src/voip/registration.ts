/**
 * Role: keeps one pseudo-identity reachable: exchange point, record in the DHT, incoming tunnel (Spec 3.3).
 *
 * Invariants: after any failure to register another exchange point is tried, with growing pauses, until `stop`;
 * sequence numbers of records never go back; nothing is shared between two pseudo-identities, not even the moment of their refresh,
 * save the moment at which all of them must begin again because the KX was started again.
 *
 * Not here: periodic change of the exchange point (not there yet), incoming calls (telephone.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../api/client.js';
import { dhtPut, dhtTrace } from '../api/dht-client.js';
import type { KxClient } from '../api/kx-client.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import { encodeSignedValue } from '../identity/signed-value.js';
import type { Logger } from '../log.js';
import { encodeBuildExtension } from '../wire/build-extension.js';
import type { PeerAddress } from '../wire/message.js';
import type { KxLink } from './kx-link.js';
import { encodePresenceRecord } from './presence-record.js';
import { signRegistration } from './signed-registration.js';
import { deriveTunnelKey } from './tunnel-key.js';

const RECORD_SECONDS = 2 * 3_600;
const EXPIRY_JITTER_SECONDS = 900;
/** Longer than a DHT that fails keeps the refresh from succeeding in ordinary times; the exchange point takes 24 h at most. */
const REGISTRATION_SECONDS = 4 * 3_600;
const REFRESH_SECONDS = { least: 20 * 60, most: 40 * 60 };
const TRACE_TIMEOUT_MS = 5_000;
const BUILD_TIMEOUT_MS = 60_000;
/** Signed for later than this, a registration may be refused as being of the future (docs/protocol/kx.md: 10 min). */
const MOST_AHEAD_SECONDS = 300n;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** 0: as many copies as the DHT is configured for. */
const REPLICATION = 0;

export type RegistrationState = 'starting' | 'registered' | 'retrying' | 'stopped';

export interface RegistrationOptions {
  readonly identity: NamedPseudoIdentity;
  readonly dht: ApiEndpoint;
  readonly kx: KxLink;
  readonly hops: number;
  /** Where callers come in, on `TUN_IP`. */
  readonly voipPort: () => number;
  /** Whether the KX understands BUILD extensions. */
  readonly extensions: boolean;
  readonly log: Logger;
  /** Time before the first attempt, in milliseconds. */
  readonly startAfterMs: number;
  readonly onChange: (state: RegistrationState) => void;
}

export class Registration {
  readonly identity: NamedPseudoIdentity;
  #state: RegistrationState = 'starting';
  readonly #options: RegistrationOptions;
  #lastSequence = 0n;
  /** Of the newest signed registration, Unix seconds. */
  #lastSignedAt = 0n;
  /** The port in the newest record. */
  #publishedPort = 0;
  /** Refreshes record and registration at once, while there is a tunnel. */
  #refreshNow: (() => void) | null = null;
  /** When the newest record in the DHT expires; Unix milliseconds. */
  #recordEndsAt = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | null = null;
  #round = 0;

  constructor(options: RegistrationOptions) {
    this.identity = options.identity;
    this.#options = options;
    // Pseudo-identities of one peer must not appear at the same moment.
    if (options.startAfterMs > 0) this.#later(options.startAfterMs, () => this.#register());
    else void this.#register();
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** The tunnel is gone: begins again with another exchange point. */
  restart(): void {
    if (this.#state === 'stopped') return;
    this.#round += 1;
    this.#retry('the incoming tunnel is gone');
  }

  /** Callers come in by another port from now on: record and tunnel learn of it. */
  moved(): void {
    if (this.#state !== 'stopped') this.#refreshNow?.();
  }

  /** Ends the upkeep and the tunnel; the record expires by itself. */
  async stop(): Promise<void> {
    this.#round += 1;
    this.#change('stopped');
    if (this.#timer !== null) clearTimeout(this.#timer);
    const client = await this.#options.kx.get().catch(() => null);
    client?.destroy(this.identity.publicKey);
  }

  async #register(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    // Another exchange point has seen nothing signed yet: a clock that was once ahead must not count for ever.
    this.#lastSignedAt = 0n;
    const { dht, kx, log } = this.#options;
    try {
      const exchangePoint = await this.#chooseExchangePoint(dht);
      const client = await kx.get();
      // Stopped or begun anew meanwhile: nothing of this round may be published or built any more.
      if (round !== this.#round) return;
      try {
        await Promise.all([this.#publish(exchangePoint), this.#build(client, exchangePoint)]);
      } catch (error) {
        // Half of it may be there: the next round takes another exchange point and would leave this tunnel behind.
        if (round === this.#round) client.destroy(this.identity.publicKey);
        throw error;
      }
      if (round !== this.#round) return;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#change('registered');
      log.info({ identity: this.identity.name }, 'reachable');
      this.#refreshNow = () => {
        this.#round += 1;
        this.#refreshLater(exchangePoint, 0);
      };
      // While it was being built, the port may have changed.
      const isCurrent = this.#publishedPort === this.#options.voipPort();
      this.#refreshLater(exchangePoint, isCurrent ? refreshPauseMs() : 0);
    } catch (error) {
      if (round === this.#round) this.#retry((error as Error).message);
    }
  }

  async #chooseExchangePoint(dht: ApiEndpoint): Promise<PeerAddress> {
    const hops = await dhtTrace(dht, randomBytes(32), TRACE_TIMEOUT_MS);
    const usable = hops.filter(({ kxPort, ipv4, ipv6 }) => kxPort !== 0 && (ipv4 !== null || ipv6 !== null));
    const chosen = usable[randomInt(Math.max(usable.length, 1))];
    if (chosen === undefined) throw new Error('no peer is known that could be the exchange point');
    return chosen;
  }

  /** Of a tunnel that is there already, it renews what the extension says. */
  async #build(client: KxClient, exchangePoint: PeerAddress): Promise<void> {
    await client.buildIncoming({
      hops: this.#options.hops,
      pseudoIdentity: this.identity.publicKey,
      exchangePoint,
      extension: this.#extension(exchangePoint),
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  }

  #extension({ identity: exchangePoint }: PeerAddress): Buffer {
    const { extensions, voipPort } = this.#options;
    if (!extensions) return Buffer.alloc(0);
    const now = BigInt(Math.floor(Date.now() / 1000));
    if (this.#lastSignedAt > now + MOST_AHEAD_SECONDS) throw new Error('the clock was set back');
    this.#lastSignedAt = now > this.#lastSignedAt ? now : this.#lastSignedAt + 1n;
    const time = this.#lastSignedAt;
    const terms = { exchangePoint, time, expiry: time + BigInt(REGISTRATION_SECONDS) };
    return encodeBuildExtension({
      tunnelSecret: deriveTunnelKey(this.identity.secretKey, exchangePoint).secret,
      registration: signRegistration(this.identity, terms, randomBytes(32)),
      port: voipPort(),
    });
  }

  async #publish(exchangePoint: PeerAddress): Promise<void> {
    const { dht, voipPort, extensions } = this.#options;
    const { publicKey, secretKey } = this.identity;
    const tunnelKey = extensions ? deriveTunnelKey(secretKey, exchangePoint.identity).publicKey : null;
    const now = BigInt(Date.now());
    this.#publishedPort = voipPort();
    this.#lastSequence = now > this.#lastSequence ? now : this.#lastSequence + 1n;
    const value = {
      sequence: this.#lastSequence,
      expirySeconds: Math.floor(Date.now() / 1000) + RECORD_SECONDS - randomInt(EXPIRY_JITTER_SECONDS),
      payload: encodePresenceRecord({ exchangePoint, voipPort: this.#publishedPort, tunnelKey }),
    };
    const content = encodeSignedValue(value, publicKey, secretKey);
    await dhtPut(dht, publicKey, content, RECORD_SECONDS, REPLICATION);
    this.#recordEndsAt = value.expirySeconds * 1000;
  }

  /** The tunnel is there: a DHT that fails now costs neither it nor the calls in it. The KX gets a newer registration. */
  #refreshLater(exchangePoint: PeerAddress, pauseMs: number): void {
    const round = this.#round;
    this.#later(pauseMs, async () => {
      try {
        await Promise.all([this.#publish(exchangePoint), this.#renew(round, exchangePoint)]);
        if (round !== this.#round) return;
        this.#change('registered');
        this.#refreshLater(exchangePoint, refreshPauseMs());
      } catch (error) {
        if (round !== this.#round) return;
        if (Date.now() > this.#recordEndsAt) this.#change('retrying');
        const { name } = this.identity;
        this.#options.log.info({ identity: name, err: error }, 'the record was not refreshed, trying again');
        this.#refreshLater(exchangePoint, jittered(LONGEST_PAUSE_MS));
      }
    });
  }

  async #renew(round: number, exchangePoint: PeerAddress): Promise<void> {
    if (!this.#options.extensions) return;
    try {
      const client = await this.#options.kx.get();
      // Stopped meanwhile: the tunnel has been destroyed and must not come back.
      if (round === this.#round) await this.#build(client, exchangePoint);
    } catch (error) {
      this.#options.log.info(
        { identity: this.identity.name, err: error },
        'the registration was not renewed',
      );
      if (round !== this.#round) return;
      // The next round takes another exchange point: this one must not keep the tunnel.
      const client = await this.#options.kx.get().catch(() => null);
      if (round !== this.#round) return;
      client?.destroy(this.identity.publicKey);
      this.restart();
    }
  }

  #retry(reason: string): void {
    const pauseMs = jittered(this.#pauseMs);
    this.#refreshNow = null;
    this.#change('retrying');
    this.#options.log.info({ identity: this.identity.name, reason, pauseMs }, 'not reachable, trying again');
    this.#later(pauseMs, () => this.#register());
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #later(delayMs: number, run: () => Promise<void>): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#state !== 'stopped') void run();
    }, delayMs);
  }

  #change(state: RegistrationState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onChange(state);
  }
}

function refreshPauseMs(): number {
  return randomInt(REFRESH_SECONDS.least, REFRESH_SECONDS.most) * 1000;
}

/** Half to one and a half of it: identities of one peer must not come back at the same moment. */
function jittered(milliseconds: number): number {
  return Math.round(milliseconds * (0.5 + randomInt(1_000) / 1_000));
}

/**
 * Role: keeps one pseudo-identity reachable: exchange point, record in the DHT, incoming tunnel (Spec 3.3).
 *
 * Invariants: after any failure another exchange point is tried, with growing pauses, until `stop`; sequence numbers
 * of records never go back; nothing is shared between two pseudo-identities, not even the moment of their refresh.
 *
 * Not here: periodic change of the exchange point (not there yet), incoming calls (telephone.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../api/client.js';
import { dhtPut, dhtTrace } from '../api/dht-client.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import { encodeSignedValue } from '../identity/signed-value.js';
import type { Logger } from '../log.js';
import type { PeerAddress } from '../wire/message.js';
import type { KxLink } from './kx-link.js';
import { encodePresenceRecord } from './presence-record.js';

const RECORD_SECONDS = 2 * 3_600;
const REFRESH_SECONDS = { least: 20 * 60, most: 40 * 60 };
const TRACE_TIMEOUT_MS = 5_000;
const BUILD_TIMEOUT_MS = 60_000;
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
  readonly voipPort: number;
  readonly log: Logger;
  readonly onChange: (state: RegistrationState) => void;
}

export class Registration {
  readonly identity: NamedPseudoIdentity;
  #state: RegistrationState = 'starting';
  readonly #options: RegistrationOptions;
  #lastSequence = 0n;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | null = null;
  #round = 0;

  constructor(options: RegistrationOptions) {
    this.identity = options.identity;
    this.#options = options;
    void this.#register();
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
    const { dht, kx, hops, log } = this.#options;
    try {
      const exchangePoint = await this.#chooseExchangePoint(dht);
      const client = await kx.get();
      const { publicKey } = this.identity;
      await Promise.all([
        this.#publish(exchangePoint),
        client.buildIncoming({ hops, pseudoIdentity: publicKey, exchangePoint, timeoutMs: BUILD_TIMEOUT_MS }),
      ]);
      if (round !== this.#round) return;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#change('registered');
      log.info({ identity: this.identity.name }, 'reachable');
      this.#scheduleRefresh(exchangePoint);
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

  async #publish(exchangePoint: PeerAddress): Promise<void> {
    const { dht, voipPort } = this.#options;
    const { publicKey, secretKey } = this.identity;
    const now = BigInt(Date.now());
    this.#lastSequence = now > this.#lastSequence ? now : this.#lastSequence + 1n;
    const value = {
      sequence: this.#lastSequence,
      expirySeconds: Math.floor(Date.now() / 1000) + RECORD_SECONDS,
      payload: encodePresenceRecord({ exchangePoint, voipPort }),
    };
    const content = encodeSignedValue(value, publicKey, secretKey);
    await dhtPut(dht, publicKey, content, RECORD_SECONDS, REPLICATION);
  }

  #scheduleRefresh(exchangePoint: PeerAddress): void {
    const seconds = randomInt(REFRESH_SECONDS.least, REFRESH_SECONDS.most);
    const round = this.#round;
    this.#later(seconds * 1000, async () => {
      try {
        await this.#publish(exchangePoint);
        if (round === this.#round) this.#scheduleRefresh(exchangePoint);
      } catch (error) {
        if (round === this.#round) this.#retry((error as Error).message);
      }
    });
  }

  #retry(reason: string): void {
    this.#change('retrying');
    this.#options.log.info(
      { identity: this.identity.name, reason, pauseMs: this.#pauseMs },
      'not reachable, trying again',
    );
    this.#later(this.#pauseMs, () => this.#register());
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

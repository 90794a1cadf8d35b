/**
 * Role: keeps one pseudo-identity reachable: two exchange points, their tunnels, the record in the DHT (Spec 3.3).
 *
 * Invariants: as long as it can be had, callers find a way in: one that fails leaves the other, and is replaced; sequence
 * numbers of records never go back; nothing is shared between two pseudo-identities, not even the moment of their refresh,
 * save the moment at which all of them must begin again because the KX was started again.
 *
 * Not here: the exchange points (stands.ts), incoming calls (telephone.ts).
 */

import { randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../api/client.js';
import { dhtPut } from '../api/dht-client.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import { encodeSignedValue } from '../identity/signed-value.js';
import type { Logger } from '../log.js';
import { encodePresenceRecord } from '../wire/presence-record.js';
import type { KxLink } from './kx-link.js';
import { Stands } from './stands.js';

const RECORD_SECONDS = 2 * 3_600;
const EXPIRY_JITTER_SECONDS = 900;
const REFRESH_SECONDS = { least: 20 * 60, most: 40 * 60 };
/** How long an exchange point is used, while nobody speaks through it. */
const CHANGE_SECONDS = { least: 2 * 3_600, most: 6 * 3_600 };
const CHANGE_AGAIN_MS = 300_000;
/** A KX without extensions cannot end the tunnel to one exchange point alone. */
const STANDS = { extended: 2, plain: 1 };
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** More than others get: whoever holds all copies of a record decides whether its owner can be called (docs/decisions/0093). */
export const RECORD_COPIES = 20;

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
  /** Whether there is a call with this pseudo-identity: its exchange points stay. */
  readonly isBusy: () => boolean;
  readonly onChange: (state: RegistrationState) => void;
}

export class Registration {
  readonly identity: NamedPseudoIdentity;
  readonly #options: RegistrationOptions;
  readonly #stands: Stands;
  readonly #wanted: number;
  #state: RegistrationState = 'starting';
  #lastSequence = 0n;
  /** What the newest record says, without its number and expiry. */
  #published: Buffer | null = null;
  /** When the newest record in the DHT expires; Unix milliseconds. */
  #recordEndsAt = 0;
  /** When tunnels and record are renewed; 0: at once. */
  #renewAt = 0;
  #changeAt: number;
  /** A tunnel is gone, it is not known which. */
  #isLost = false;
  /** How often something was lost or moved. */
  #disturbed = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #working = false;

  constructor(options: RegistrationOptions) {
    this.identity = options.identity;
    this.#options = options;
    this.#stands = new Stands(options);
    this.#wanted = options.extensions ? STANDS.extended : STANDS.plain;
    this.#changeAt = Date.now() + between(CHANGE_SECONDS);
    // Pseudo-identities of one peer must not appear at the same moment.
    this.#wake(options.startAfterMs);
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** A tunnel is gone, or the KX: what is left is found out, and what is missing made. */
  restart(): void {
    this.#disturbed += 1;
    this.#renewAt = 0;
    this.#isLost = true;
    this.#wake(this.#isReachable() ? jittered(FIRST_PAUSE_MS) : this.#pauseMs());
  }

  /** Callers come in by another port from now on: record and tunnels learn of it. */
  moved(): void {
    this.#disturbed += 1;
    this.#renewAt = 0;
    this.#wake(0);
  }

  /** Ends the upkeep and the tunnels; the record expires by itself. */
  async stop(): Promise<void> {
    this.#change('stopped');
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#stands.destroy();
  }

  #wake(afterMs: number): void {
    if (this.#state === 'stopped') return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#work(), afterMs);
  }

  /** One round: whatever is due, then the next one at its time. */
  async #work(): Promise<void> {
    if (this.#working) return this.#wake(FIRST_PAUSE_MS);
    this.#working = true;
    try {
      await this.#round();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      const { name } = this.identity;
      this.#options.log.info({ identity: name, err: error, reachable: this.#isReachable() }, 'trying again');
    }
    this.#working = false;
    if (this.#state === 'stopped') return;
    if (this.#isReachable()) this.#change('registered');
    else if (this.#state === 'registered' || this.#failures > 0) this.#change('retrying');
    if (this.#failures > 0) this.#wake(this.#pauseMs());
    else this.#wake(Math.max(0, Math.min(this.#renewAt, this.#changeAt) - Date.now()));
  }

  async #round(): Promise<void> {
    const stopped = () => this.#state === 'stopped';
    const stands = this.#stands;
    const { voipPort } = this.#options;
    const [port, disturbed] = [voipPort(), this.#disturbed];
    // Else the KX has been told too little in this round.
    const isCurrent = () => port === voipPort() && disturbed === this.#disturbed;
    const isLost = this.#isLost;
    this.#isLost = false;
    if (!this.#options.extensions) {
      // Asked for again, it might be there twice: it ends, and another one is made.
      if (isLost) await stands.destroy();
    } else if (Date.now() >= this.#renewAt && stands.count > 0) {
      await stands.renew(stopped, (error) =>
        this.#options.log.info({ identity: this.identity.name, err: error }, 'an exchange point is given up'),
      );
    }
    if (stands.count === 0 && !(await stands.add(stopped))) return;
    await this.#publish(stopped, isCurrent);
    while (stands.count < this.#wanted) {
      if (!(await stands.add(stopped))) return;
      await this.#publish(stopped, isCurrent);
    }
    if (Date.now() >= this.#changeAt) await this.#changeOne(stopped, isCurrent);
  }

  async #changeOne(stopped: () => boolean, isCurrent: () => boolean): Promise<void> {
    this.#changeAt = Date.now() + CHANGE_AGAIN_MS;
    if (this.#wanted === STANDS.plain || this.#options.isBusy()) return;
    if (!(await this.#stands.add(stopped, true))) return;
    await this.#publish(stopped, isCurrent);
    // Each of them gets as old as the other.
    this.#changeAt = Date.now() + between(CHANGE_SECONDS) / this.#wanted;
  }

  /** Puts the record where it would say something else than the last one, or is due. */
  async #publish(stopped: () => boolean, isCurrent: () => boolean): Promise<void> {
    const { dht, voipPort } = this.#options;
    const { publicKey, secretKey } = this.identity;
    const payload = encodePresenceRecord({ voipPort: voipPort(), doors: this.#stands.doors() });
    const isSame = this.#published?.equals(payload) === true;
    if (stopped() || (isSame && Date.now() < this.#renewAt)) return;
    const now = BigInt(Date.now());
    this.#lastSequence = now > this.#lastSequence ? now : this.#lastSequence + 1n;
    const expirySeconds = Math.floor(Date.now() / 1000) + RECORD_SECONDS - randomInt(EXPIRY_JITTER_SECONDS);
    const value = { sequence: this.#lastSequence, expirySeconds, payload };
    const content = encodeSignedValue(value, publicKey, secretKey);
    await dhtPut(dht, publicKey, content, RECORD_SECONDS, RECORD_COPIES);
    const isFirst = this.#published === null;
    this.#published = payload;
    this.#recordEndsAt = expirySeconds * 1000;
    if (stopped()) return;
    this.#change('registered');
    this.#renewAt = isCurrent() ? Date.now() + between(REFRESH_SECONDS) : 0;
    if (isFirst) this.#options.log.info({ identity: this.identity.name }, 'reachable');
  }

  /** Somebody who looks it up finds an exchange point that knows it. */
  #isReachable(): boolean {
    return this.#stands.count > 0 && Date.now() < this.#recordEndsAt;
  }

  #pauseMs(): number {
    return jittered(Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10), LONGEST_PAUSE_MS));
  }

  #change(state: RegistrationState): void {
    if (this.#state === state || this.#state === 'stopped') return;
    this.#state = state;
    this.#options.onChange(state);
  }
}

function between({ least, most }: { readonly least: number; readonly most: number }): number {
  return randomInt(least, most) * 1000;
}

/** Half to one and a half of it: identities of one peer must not come back at the same moment. */
function jittered(milliseconds: number): number {
  return Math.round(milliseconds * (0.5 + randomInt(1_000) / 1_000));
}

/**
 * Role: what a client has told about a tunnel beyond BUILD itself, kept for as long as the tunnel may be built again.
 *
 * Invariants: an older registration never replaces a newer one; the engine gets copies, because it wipes what it is given.
 *
 * Not here: the bytes (wire/build-extension.ts), what the exchange point makes of a registration (docs/protocol/kx.md).
 */

import type { SetExtension } from '../engine/kx.js';
import type { BuildExtension, SignedRegistration } from '../wire/build-extension.js';

export class TunnelExtension {
  #key: Buffer | undefined;
  #registration: SignedRegistration | undefined;
  #port: number | undefined;
  /** When the registration that the exchange point has seen expires, Unix seconds. */
  #shownUntil = 0n;

  /** Takes over what is there and belongs to the direction; `true` where there is something. */
  renew(direction: 'incoming' | 'outgoing', newer: BuildExtension): boolean {
    const { tunnelSecret, tunnelKey, registration, port } = newer;
    const key = direction === 'incoming' ? tunnelSecret : tunnelKey;
    if (key !== undefined) {
      this.#key?.fill(0);
      this.#key = key;
    }
    if (direction === 'outgoing') return key !== undefined;
    if (registration !== undefined && registration.time > (this.#registration?.time ?? -1n)) {
      this.#registration?.secret.fill(0);
      this.#registration = registration;
    }
    if (port !== undefined) this.#port = port;
    return key !== undefined || registration !== undefined || port !== undefined;
  }

  /** For a tunnel that takes the place of this one's. */
  copy(): TunnelExtension {
    const copy = new TunnelExtension();
    copy.#key = this.#key && Buffer.from(this.#key);
    copy.#registration = this.#registration && {
      ...this.#registration,
      secret: Buffer.from(this.#registration.secret),
    };
    copy.#port = this.#port;
    return copy;
  }

  /** For the engine; `null` where nothing is known. */
  command(tunnel: number): SetExtension | null {
    const key = this.#key && Buffer.from(this.#key);
    const registration = this.#registration && {
      ...this.#registration,
      secret: Buffer.from(this.#registration.secret),
    };
    const port = this.#port;
    if (key === undefined && registration === undefined && port === undefined) return null;
    return {
      type: 'setExtension',
      tunnel,
      ...(key && { key }),
      ...(registration && { registration }),
      ...(port !== undefined && { port }),
    };
  }

  /** The exchange point has taken a circuit: it knows the registration. */
  noteShown(): void {
    this.#shownUntil = this.#registration?.expiry ?? 0n;
  }

  /** Whether what the exchange point has seen will not last so long, and there is something that lasts longer. */
  shouldShow(nowSeconds: number, forSeconds: number): boolean {
    const until = BigInt(Math.ceil(nowSeconds + forSeconds));
    return this.#shownUntil < until && (this.#registration?.expiry ?? 0n) > this.#shownUntil;
  }

  wipe(): void {
    this.#key?.fill(0);
    this.#registration?.secret.fill(0);
  }
}

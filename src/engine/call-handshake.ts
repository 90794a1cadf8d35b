/**
 * The handshake of a call's control connection, by the addon: Noise XK made hybrid with ML-KEM-768.
 *
 * The caller knows the callee's key, the callee learns the caller's from the last message. Each step gives `null` where the
 * other side's bytes are not genuine; the handshake is of no use then. Not here: whose keys these are (src/voip).
 */

import type { CallSecrets, CallHandshake as NativeHandshake } from '../../native/binding.js';
import { addon } from './addon.js';

export type { CallSecrets };

export class CallHandshake {
  private constructor(private readonly native: NativeHandshake) {}

  /** So that the first call need not wait for the addon to be loaded. Errors: 'ADDON_MISSING'. */
  static prepare(): void {
    addon();
  }

  /**
   * Begins a call.
   *
   * @param secret X25519, 32 bytes; wiped
   * @param callee X25519, 32 bytes
   * @param context the same on both sides
   */
  static call(secret: Buffer, callee: Buffer, context: Buffer): CallHandshake | null {
    return orNull(() => new CallHandshake(addon().CallHandshake.call(secret, callee, context)));
  }

  /** Answers the first message of a caller who wants the owner of `secret` (wiped). */
  static answer(secret: Buffer, context: Buffer, message: Buffer): CallHandshake | null {
    return orNull(() => new CallHandshake(addon().CallHandshake.answer(secret, context, message)));
  }

  /** Our first message. */
  get opening(): Buffer {
    return this.native.opening;
  }

  /** The caller takes the answer; gives the last message, which carries `payload`. */
  conclude(answer: Buffer, payload: Buffer): Buffer | null {
    return orNull(() => this.native.conclude(answer, payload));
  }

  /** The callee takes the last message; gives what it carries. */
  read(message: Buffer): Buffer | null {
    return orNull(() => this.native.read(message));
  }

  /** Once, after the last message. */
  secrets(): CallSecrets | null {
    return orNull(() => this.native.secrets());
  }
}

function orNull<T>(step: () => T): T | null {
  try {
    return step();
  } catch {
    return null;
  }
}

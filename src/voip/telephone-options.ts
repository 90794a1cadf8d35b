/**
 * Role: what the telephone is given and what it gives: callers at the door, calls that were missed, its surroundings as arguments.
 *
 * Not here: the telephone (telephone.ts).
 */

import type { Clock } from '../clock.js';
import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import type { Logger } from '../log.js';
import type { Call, CallView } from './call.js';
import type { Ringing, Verdict } from './caller-rules.js';
import type { ControlConnection, Voice } from './control-connection.js';
import type { FirstMessage } from './control-message.js';
import type { Dialled } from './dialler.js';

/** A caller who has proven its pseudo-identity and said what it wants. */
export interface Caller {
  readonly connection: ControlConnection;
  readonly first: FirstMessage;
  /** The entrance's: the only local port that the caller reaches, by TCP and UDP. */
  readonly localPort: number;
}

export interface TelephoneOptions {
  readonly clock: Clock;
  readonly ringMs: number;
  readonly openVoice: (port: number) => Voice;
  /** The way to somebody; throws DialFailure. */
  readonly dial: (call: Call, local: PseudoIdentity, remote: Buffer, signal: AbortSignal) => Promise<Dialled>;
  /** Frees the outgoing tunnel to somebody. */
  readonly release: (remote: Buffer) => Promise<void>;
  readonly contactOf: (publicKey: Buffer) => Promise<{ readonly name: string } | undefined>;
  /** Whether a person is to be told of a caller; else it is left to ring. */
  readonly judge: (ringing: Ringing) => Promise<Verdict>;
  readonly identities: () => readonly NamedPseudoIdentity[];
  /** Accept every call at once that comes while there is no other. */
  readonly autoAnswer: boolean;
  readonly log: Logger;
  readonly onCall: (call: CallView) => void;
  /** Somebody is left to ring whom the person would like to know of. */
  readonly onMissed: (call: Missed) => void;
}

export interface Missed {
  /** The caller's pseudo-identity as text. */
  readonly remote: string;
  readonly contact: string | undefined;
  /** Name of our pseudo-identity. */
  readonly identity: string;
}

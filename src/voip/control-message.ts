/**
 * Role: the messages of a call's control connection, inside its encryption.
 *
 * Invariants: parsing is total; unknown fields are dropped, unknown types refused.
 *
 * Not here: encryption and framing (control-channel.ts).
 */

import * as v from 'valibot';

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const source = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));

/** Names a call among those that two parties have or had with each other. */
const callKey = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));

const Message = v.variant('type', [
  /** Caller, first message: wants to talk; voice comes from and goes to this UDP port. */
  v.object({ type: v.literal('invite'), call: callKey, voicePort: port }),
  /** Caller, first message of a further connection: goes on with a call that has been accepted. */
  v.object({ type: v.literal('resume'), call: callKey, voicePort: port }),
  /** Callee: this connection takes the place of the one before. */
  v.object({ type: v.literal('resumed'), voicePort: port }),
  /** Callee: a person is being told. */
  v.object({ type: v.literal('ringing') }),
  /** Callee: talk. */
  v.object({ type: v.literal('accepted'), voicePort: port }),
  v.object({ type: v.literal('declined') }),
  v.object({ type: v.literal('busy') }),
  /** Callee: calls the caller at this moment; that call comes through, this one does not. */
  v.object({ type: v.literal('crossed') }),
  /** Both: on hold, or no more. */
  v.object({ type: v.literal('hold'), on: v.boolean() }),
  v.object({ type: v.literal('hangup') }),
  v.object({ type: v.literal('ping'), number: source }),
  v.object({ type: v.literal('pong'), number: source }),
]);

export type ControlMessage = v.InferOutput<typeof Message>;

/** What a caller begins a connection with. */
export type FirstMessage = Extract<ControlMessage, { type: 'invite' | 'resume' }>;

export function encodeControlMessage(message: ControlMessage): Buffer {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/** `null` for anything that is no message. */
export function decodeControlMessage(bytes: Buffer): ControlMessage | null {
  try {
    const parsed = v.safeParse(Message, JSON.parse(bytes.toString('utf8')));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

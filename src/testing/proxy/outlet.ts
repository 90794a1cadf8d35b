/**
 * Role: the queue of what leaves the proxy on one side of a connection, with what is delayed, reordered and injected.
 *
 * Invariants: bytes leave in the order of the queue, so that a delay holds up what comes behind it, as in any TCP stream;
 * only `reorder` lets others go first. Nothing is put inside a message whose first bytes have left. No more than one chunk
 * of input comes on top of MOST_QUEUED_BYTES, since whoever fills the queue stops while it is full.
 *
 * Not here: the socket (connection.ts), who decides (plan.ts).
 */

import type { Clock, TimerHandle } from '../../clock.js';
import type { Cut } from './plan.js';
import { MOST_MESSAGES } from './rule.js';

/** Bytes that may wait in the queue before its input stops. */
export const MOST_QUEUED_BYTES = 256 * 1024;
/** Bytes of injected messages that may wait for the end of a message that is on its way. */
const MOST_WAITING_BYTES = 256 * 1024;

export interface OutletEvents {
  /** False: no more before `onDrain` is called. */
  readonly write: (bytes: Buffer) => boolean;
  /** All before it was written. */
  readonly end: () => void;
  readonly cut: (how: Cut) => void;
  /** There is room in the queue again. */
  readonly onRoom: () => void;
}

type Entry = { readonly due: number } & (
  | { readonly bytes: Buffer }
  | { readonly end: true }
  | { readonly cut: Cut }
);

interface Held {
  readonly bytes: Buffer;
  left: number;
  readonly timer: TimerHandle;
}

export class Outlet {
  readonly #clock: Clock;
  readonly #events: OutletEvents;
  #queue: Entry[] = [];
  #queuedBytes = 0;
  /** Reordered messages, oldest first. */
  #held: Held[] = [];
  /** What must not come inside of a message. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #insideMessage = false;
  #finished = false;
  #blocked = false;
  #wasFull = false;
  #stopped = false;
  #timer: TimerHandle | null = null;

  constructor(clock: Clock, events: OutletEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Whether the input should stop until `onRoom`. */
  get full(): boolean {
    return this.#blocked || this.#queuedBytes >= MOST_QUEUED_BYTES;
  }

  /** A piece of a message, or of what is none, as it came; `whole` where the message ends. */
  pass(piece: Buffer, whole: boolean): void {
    this.#insideMessage = !whole;
    this.#enqueue({ due: 0, bytes: piece });
    if (whole) {
      for (const bytes of this.#waiting.splice(0)) this.#enqueue({ due: 0, bytes });
      this.#waitingBytes = 0;
      this.#countForHeld();
    }
    this.#pump();
  }

  /** One whole message and what comes with it. */
  send(parts: readonly Buffer[], delayMs = 0): void {
    const due = delayMs === 0 ? 0 : this.#clock.now() + delayMs;
    for (const bytes of parts) this.#enqueue({ due, bytes });
    this.#countForHeld();
    this.#pump();
  }

  /** A whole message, before which `distance` later ones may go if they come within `waitMs`. */
  hold(bytes: Buffer, distance: number, waitMs: number): void {
    if (this.#held.length >= MOST_MESSAGES) this.#release(this.#held[0] as Held);
    const held: Held = {
      bytes,
      left: distance,
      timer: this.#clock.setTimer(waitMs, () => this.#release(held)),
    };
    this.#held.push(held);
  }

  /** Bytes between messages, as soon as there is a gap. False where the stream has ended, or too many wait. */
  insert(bytes: Buffer): boolean {
    if (this.#finished) return false;
    const behind = this.#waitingBytes + this.#queuedBytes;
    if (behind + bytes.length > MOST_WAITING_BYTES + MOST_QUEUED_BYTES) return false;
    this.#put(bytes);
    return true;
  }

  /** Ends the stream behind all that waits. */
  finish(): void {
    this.#insideMessage = false;
    for (const held of [...this.#held]) this.#release(held);
    for (const bytes of this.#waiting.splice(0)) this.#enqueue({ due: 0, bytes });
    this.#finished = true;
    this.#enqueue({ due: 0, end: true });
    this.#pump();
  }

  /** Cuts the connection behind all that waits. */
  cut(how: Cut, delayMs: number): void {
    this.#enqueue({ due: delayMs === 0 ? 0 : this.#clock.now() + delayMs, cut: how });
    this.#pump();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#pump();
  }

  /** Forgets all that waits. */
  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#held.splice(0)) this.#clock.clearTimer(timer);
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timer = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#waiting = [];
  }

  #enqueue(entry: Entry): void {
    if (this.#stopped) return;
    this.#queue.push(entry);
    if ('bytes' in entry) this.#queuedBytes += entry.bytes.length;
  }

  #countForHeld(): void {
    for (const held of [...this.#held]) {
      held.left -= 1;
      if (held.left <= 0) this.#release(held);
    }
  }

  #release(held: Held): void {
    this.#clock.clearTimer(held.timer);
    this.#held = this.#held.filter((other) => other !== held);
    this.#put(held.bytes);
  }

  /** Into the queue, or behind the message that is on its way. */
  #put(bytes: Buffer): void {
    if (this.#insideMessage) {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    } else {
      this.#enqueue({ due: 0, bytes });
      this.#pump();
    }
  }

  #pump(): void {
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timer = null;
    while (!this.#blocked && !this.#stopped) {
      const entry = this.#queue[0];
      if (entry === undefined) break;
      const wait = entry.due === 0 ? 0 : entry.due - this.#clock.now();
      if (wait > 0) {
        this.#timer = this.#clock.setTimer(Math.ceil(wait), () => this.#pump());
        break;
      }
      this.#queue.shift();
      this.#perform(entry);
    }
    const full = this.full;
    if (this.#wasFull && !full && !this.#stopped) this.#events.onRoom();
    this.#wasFull = full;
  }

  #perform(entry: Entry): void {
    if ('bytes' in entry) {
      this.#queuedBytes -= entry.bytes.length;
      this.#blocked = !this.#events.write(entry.bytes);
    } else if ('end' in entry) {
      this.#events.end();
    } else {
      this.#events.cut(entry.cut);
    }
  }
}

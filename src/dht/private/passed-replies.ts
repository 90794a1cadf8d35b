/**
 * The replies of one passage on their way back through a relay.
 *
 * The node behind us is acknowledged at once, whatever the node before us does, so what comes faster than it leaves is
 * queued here. Invariants: at most WINDOW replies are unacknowledged; all that is held counts in the backlog; where
 * FAILURES in a row do not arrive, or one finds no room, no more go. Not here: layers and legs (relay.ts, legs.ts).
 */
import type { Reply } from './onion.js';
import type { ReplyBacklog } from './reply-backlog.js';

/** Twice that of an exit (exit.ts), whose way back to us may be the shorter one. */
const WINDOW = 8;
/** On a lossy line one or two are lost now and then, and those behind them are worth something all the same. */
const FAILURES = 3;
/** Counted with each reply, so that one source has no more than about a thousand of them here. */
const REPLY_OVERHEAD_BYTES = 2_600;

export interface PassedRepliesParts {
  readonly backlog: ReplyBacklog;
  /** The node before us. */
  readonly source: string;
  readonly send: (reply: Reply, onDone: (arrived: boolean) => void) => void;
  /** No reply goes back any more. */
  readonly onStop: () => void;
}

const costOf = (reply: Reply) => reply.body.length + REPLY_OVERHEAD_BYTES;

export class PassedReplies {
  readonly #queue: Reply[] = [];
  #unacknowledged = 0;
  #failures = 0;
  #stopped = false;

  constructor(readonly parts: PassedRepliesParts) {}

  /** False where it is dropped. */
  push(reply: Reply): boolean {
    const { backlog, source } = this.parts;
    if (this.#stopped) return false;
    if (!backlog.hold(source, costOf(reply))) {
      this.#stop();
      return false;
    }
    this.#queue.push(reply);
    this.#pump();
    return true;
  }

  #pump(): void {
    const { backlog, source, send } = this.parts;
    while (this.#unacknowledged < WINDOW) {
      const reply = this.#queue.shift();
      if (!reply) return;
      this.#unacknowledged += 1;
      send(reply, (arrived) => {
        this.#unacknowledged -= 1;
        backlog.release(source, costOf(reply));
        this.#failures = arrived ? 0 : this.#failures + 1;
        if (this.#failures < FAILURES) this.#pump();
        else this.#stop();
      });
    }
  }

  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const { backlog, source, onStop } = this.parts;
    for (const reply of this.#queue.splice(0)) backlog.release(source, costOf(reply));
    onStop();
  }
}

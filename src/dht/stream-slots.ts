/**
 * Bounds the streams that this node has open to others at once; those beyond wait for their turn.
 *
 * Invariants: bounded open, bounded waiting; what is done for others' onions never has all slots, and waits behind what
 * is our own. Not here: the streams (bulk.ts).
 */

export interface SlotLimits {
  readonly open: number;
  readonly openForOthers: number;
  /** Of each kind, our own and others'. */
  readonly waiting: number;
}

/** Of what systems commonly let a process open, and one PUT of 255 replicas beside others. */
const LIMITS: SlotLimits = { open: 512, openForOthers: 384, waiting: 256 };

export interface Waiting {
  start(): void;
  /** Its turn will not come. */
  drop(): void;
}

export class StreamSlots {
  #own = 0;
  #others = 0;
  readonly #waiting: Waiting[] = [];
  readonly #othersWaiting: Waiting[] = [];

  constructor(readonly limits = LIMITS) {}

  get waiting(): number {
    return this.#waiting.length + this.#othersWaiting.length;
  }

  /** Starts `one` now or in its turn; whoever has started frees its slot. False where too many wait already. */
  take(forOthers: boolean, one: Waiting): boolean {
    const waiting = forOthers ? this.#othersWaiting : this.#waiting;
    if (waiting.length >= this.limits.waiting) return false;
    waiting.push(one);
    this.#startNext();
    return true;
  }

  free(forOthers: boolean): void {
    if (forOthers) this.#others -= 1;
    else this.#own -= 1;
    this.#startNext();
  }

  close(): void {
    for (const one of [...this.#waiting.splice(0), ...this.#othersWaiting.splice(0)]) one.drop();
  }

  #startNext(): void {
    const { open, openForOthers } = this.limits;
    while (this.#own + this.#others < open) {
      const own = this.#waiting.shift();
      const other = own || this.#others >= openForOthers ? undefined : this.#othersWaiting.shift();
      if (own) this.#own += 1;
      else if (other) this.#others += 1;
      const next = own ?? other;
      if (!next) return;
      next.start();
    }
  }
}

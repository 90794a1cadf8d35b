/**
 * Remembers onions, so that each is accepted once.
 *
 * An onion names the ten minutes it was made in; outside of those, one slot more on either side, it is stale, so
 * memory is bounded in time. Invariants: bounded in number too, and closed when full: an onion that cannot be remembered
 * is refused, and memory is never pushed out by a flood. Not here: limits for a source (relay.ts).
 */
import { slotAt } from './onion.js';

/** Five times what one source can bring in a slot (relay.ts). */
const MAX_A_SLOT = 60_000;

export class SeenOnions {
  readonly #slots = new Map<number, Set<string>>();

  constructor(readonly limit = MAX_A_SLOT) {}

  get size(): number {
    let size = 0;
    for (const slot of this.#slots.values()) size += slot.size;
    return size;
  }

  /** @param ephemeral the onion's ephemeral key: every honest onion has one of its own */
  accept(ephemeral: Buffer, slot: number, nowMs: number): 'fresh' | 'stale' | 'replayed' | 'full' {
    const now = slotAt(nowMs);
    const near = (other: number) => Math.min((other - now) & 0xffff, (now - other) & 0xffff) <= 1;
    for (const other of [...this.#slots.keys()]) if (!near(other)) this.#slots.delete(other);
    if (!near(slot)) return 'stale';
    const id = ephemeral.toString('latin1', 0, 16);
    const seen = this.#slots.get(slot) ?? new Set();
    if (seen.has(id)) return 'replayed';
    if (seen.size >= this.limit) return 'full';
    seen.add(id);
    this.#slots.set(slot, seen);
    return 'fresh';
  }
}

/**
 * Nodes that are passed over for a while, because an onion failed where they stood or another exit knew better.
 *
 * It is no judgement: where nobody else is left they are taken all the same. Invariants: bounded; forgotten after
 * SUSPECTED_MS. Not here: the pinned first hop (pinned-hops.ts).
 */
import { BoundedMap } from '../bounded-map.js';
import type { Contact } from '../contact.js';

const SUSPECTED_MS = 600_000;
const MAX_SUSPECTS = 256;

export class Suspects {
  readonly #until = new BoundedMap<string, number>(MAX_SUSPECTS);

  add(contact: Contact, nowMs: number): void {
    this.#until.set(contact.id, nowMs + SUSPECTED_MS);
  }

  has(contact: Contact, nowMs: number): boolean {
    const untilMs = this.#until.peek(contact.id);
    if (untilMs === undefined || untilMs > nowMs) return untilMs !== undefined;
    this.#until.delete(contact.id);
    return false;
  }

  count(nowMs: number): number {
    return [...this.#until.values()].filter((untilMs) => untilMs > nowMs).length;
  }
}

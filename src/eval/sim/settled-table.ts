/**
 * Role: fills the routing table of a node the way it is in a network that has converged: all of the few contacts of a
 * close bucket, a random choice of the many of a far one.
 *
 * The table's own rules hold: what it refuses is not in it. Results from such networks are labelled `settled`.
 */
import type { Contact } from '../../dht/contact.js';
import { BUCKET_SIZE, type RoutingTable } from '../../dht/routing-table.js';
import type { PositionIndex } from './position-index.js';
import type { SeededRandom } from './seeded-random.js';

/** The contacts have been heard of within this time, those offered first longest ago. */
const HEARD_WITHIN_MS = 120_000;
/** Draws for one bucket, also such as are refused. */
const MAX_DRAWS = 20 * BUCKET_SIZE;

/** @param takes whether a contact of a far bucket is drawn, asked anew at each draw: so some can be preferred */
export function fillTable(
  table: RoutingTable,
  index: PositionIndex,
  random: SeededRandom,
  nowMs: number,
  takes: (contact: Contact) => boolean = () => true,
): void {
  for (const { low, high } of index.buckets(table.position)) {
    const heardMs = (order: number) => nowMs - HEARD_WITHIN_MS * (1 - Math.min(1, order / BUCKET_SIZE));
    if (high - low <= BUCKET_SIZE) {
      for (let at = low; at < high; at++) table.offer(index.at(at), heardMs(at - low));
      continue;
    }
    const tried = new Set<number>();
    let added = 0;
    for (let draw = 0; draw < MAX_DRAWS && added < BUCKET_SIZE; draw++) {
      const at = low + random.integer(high - low);
      if (tried.has(at) || !takes(index.at(at))) continue;
      tried.add(at);
      if (table.offer(index.at(at), heardMs(added)).outcome === 'added') added += 1;
    }
  }
}

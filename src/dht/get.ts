/**
 * GET: gives every different content of a key as soon as it is here.
 *
 * Contents that do not fit into answers are fetched over a stream: once for each set of contents that nodes say they
 * hold, from another holder where the first is slow or fails. The search ends early once AGREEING holders have the
 * same set and none another one. Invariant: no content is given twice.
 * Not here: the API, private lookups.
 */
import type { Contact } from './contact.js';
import { K, type Network, THOROUGH } from './network.js';
import { contentHash, MAX_CONTENT_BYTES } from './store.js';

/** When another holder of a set is asked as well. */
const FETCH_HEDGE_MS = 400;
/** Different sets that one GET fetches at most. */
const MAX_SETS = 24;
const AGREEING = 3;

interface ContentSet {
  readonly holders: Contact[];
  next: number;
  running: number;
  complete: boolean;
}

/** Resolves with the number of contents given to `onContent` once nothing more can come. Never rejects. */
export function getContents(
  network: Network,
  key: Buffer,
  onContent: (content: Buffer) => void,
): Promise<number> {
  return new Promise((resolve) => {
    const { store, bulk, clock } = network.parts;
    const given = new Set<string>();
    const sets = new Map<string, ContentSet>();
    const holdersOf = new Map<string, number>();
    let holders = 0;
    let searching = true;

    const give = (content: Buffer) => {
      if (content.length > MAX_CONTENT_BYTES) return;
      const hash = contentHash(content).toString('latin1');
      if (given.has(hash)) return;
      given.add(hash);
      onContent(content);
    };
    const finishWhenIdle = () => {
      if (searching) return;
      for (const set of sets.values()) if (!set.complete && set.running > 0) return;
      resolve(given.size);
    };
    const fetchNext = (set: ContentSet) => {
      const holder = set.holders[set.next];
      if (!holder || set.complete) return;
      set.next += 1;
      set.running += 1;
      const hedge = clock.setTimer(FETCH_HEDGE_MS, () => fetchNext(set));
      const ended = () => {
        clock.clearTimer(hedge);
        set.running -= 1;
        if (!set.complete && set.running === 0) fetchNext(set);
        finishWhenIdle();
      };
      bulk.request(
        holder,
        { kind: 'fetch', key },
        {
          onAnswer: (answer) => {
            if (answer.kind === 'value') give(answer.content);
            if (answer.kind !== 'end') return;
            set.complete = true;
            ended();
          },
          onFailure: ended,
        },
      );
    };
    const noteHolder = (contact: Contact, digest: Buffer | null) => {
      const id = digest?.toString('latin1') ?? contact.id;
      const set = sets.get(id) ?? { holders: [], next: 0, running: 0, complete: false };
      if (!sets.has(id) && sets.size >= MAX_SETS) return;
      sets.set(id, set);
      set.holders.push(contact);
      if (set.running === 0) fetchNext(set);
    };

    const noteSet = (digest: Buffer) => {
      const id = digest.toString('latin1');
      const agreeing = (holdersOf.get(id) ?? 0) + 1;
      holdersOf.set(id, agreeing);
      holders += 1;
      return agreeing === holders && holders >= AGREEING;
    };

    for (const held of store.get(key, network.now)) give(held.content);
    const lookup = network.search({
      target: key,
      width: K,
      wantValues: true,
      onFound: (contact, found, last) => {
        for (const content of found.values) give(content);
        if (found.moreValues && last) noteHolder(contact, found.valuesDigest);
        if (last && found.valuesDigest && noteSet(found.valuesDigest)) lookup.enough();
      },
      thorough: () => (holders < AGREEING ? THOROUGH.much : 0),
      onDone: () => {
        searching = false;
        finishWhenIdle();
      },
    });
  });
}

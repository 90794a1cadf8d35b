/**
 * PUT: searches for the nodes closest to the key and stores at the r closest, ourselves among them if we are.
 *
 * A node that refuses, does not answer, or does not give out what it took is replaced by the next closest. Not here: keeping replicas alive later
 * (replicator.ts), the API.
 */
import { decodeSignedValue } from '../identity/signed-value.js';
import type { Contact } from './contact.js';
import type { Lookup } from './lookup.js';
import { K, type Network } from './network.js';
import type { RpcRequest, StoreItem } from './rpc-message.js';

/** Nodes that are tried for each replica that is wanted: where seven of eight take a content and forget it, a few more. */
const TRIED_EACH = 12;
/** Nodes that are brought the content at a time. */
const AT_ONCE = 32;
/** Fits into any answer in a session, whatever else is in it. */
const SIGNED_IN_AN_ANSWER = 1_200;

/** Resolves with the number of nodes that hold the content now, this one included. Never rejects. */
export function putContent(network: Network, item: StoreItem): Promise<number> {
  return new Promise((resolve) => {
    const { self, store } = network.parts;
    const tried = new Set<string>();
    const startedAtMs = network.now;
    const mostTried = TRIED_EACH * item.replication + K;
    const comesFirst =
      item.content.length <= SIGNED_IN_AN_ANSWER &&
      decodeSignedValue(item.content, item.key, Math.floor(startedAtMs / 1000)) !== null;
    let stale = false;
    let stored = 0;
    let waiting = 0;
    let searching = true;
    /** Found after others had been chosen, though among the closest. */
    let late: readonly Contact[] = [];

    const finishWhenIdle = () => {
      if (!searching && waiting === 0) resolve(stored);
    };
    const advance = (lookup: Lookup) => {
      // Nodes that were slow or found late, and turned out to be among the closest, get it in addition.
      for (const contact of late) {
        if (stale || waiting >= AT_ONCE) break;
        if (!tried.has(contact.id)) storeAt(contact, lookup);
      }
      // Every verdict may change who is next, so the list is made anew: the r closest that did not fail us.
      const order = network.closestWithSelf(item.key, lookup.answered(), Number.POSITIVE_INFINITY);
      for (const contact of order) {
        const enough = stored + waiting >= item.replication || waiting >= AT_ONCE;
        if (stale || enough || tried.size >= mostTried) break;
        if (!tried.has(contact.id)) storeAt(contact, lookup);
      }
      finishWhenIdle();
    };
    const storeAt = (contact: Contact, lookup: Lookup) => {
      tried.add(contact.id);
      const left = { ...item, ttlMs: item.ttlMs - (network.now - startedAtMs) };
      if (left.ttlMs <= 0) return;
      if (contact.id === self.id) {
        if (store.put(left, self.id, network.now) === 'stored') stored += 1;
        return;
      }
      waiting += 1;
      network.storeAt(contact, left, (verdict) => {
        // Who has a newer version is right: this one must not go to others who do not know better.
        if (verdict === 'stale') stale = true;
        if (verdict === 'stored') readBack(contact, lookup);
        else ended(false, lookup);
      });
    };
    const ended = (held: boolean, lookup: Lookup) => {
      waiting -= 1;
      if (held) stored += 1;
      advance(lookup);
    };
    /** A signed value that fits is the first one in an answer; what does not fit is taken on trust. */
    const readBack = (contact: Contact, lookup: Lookup) => {
      const request: RpcRequest = { kind: 'find', key: item.key, wantValues: true, wantKx: false };
      network.request(contact, request, {
        onAnswer: (answer) => {
          const held =
            answer.kind === 'found' &&
            ((answer.moreValues && !comesFirst) || answer.values.some((value) => value.equals(item.content)));
          if (!held) network.parts.counters.add('replicasNotHeld');
          ended(held, lookup);
        },
        onFailure: () => ended(false, lookup),
      });
    };

    network.search({
      target: item.key,
      // Answers hold 16 contacts at most, so a search as wide as r can miss one or two of the r closest.
      width: Math.max(K, item.replication + 4),
      thorough: () => network.thoroughness,
      onSettled: advance,
      onDone: (lookup) => {
        searching = false;
        late = network.closestWithSelf(item.key, lookup.answered(), item.replication);
        advance(lookup);
      },
    });
  });
}

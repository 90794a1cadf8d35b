/**
 * Role: what peers answer that hang together against the others.
 *
 * They are alive, they know nobody but each other — of the others they name those closest to the key, which is what
 * leads a search astray best — and they take whatever they are to store or to hand on, say so, and forget it. Towards TRACE they are
 * hops like any other.
 */
import type { Contact } from '../../dht/contact.js';
import { K } from '../../dht/network.js';
import { fitFound, type KxAddress } from '../../dht/rpc-message.js';
import type { Answers } from './hostile-node.js';
import type { PositionIndex } from './position-index.js';

/** @param clique all that hang together, the one who answers included */
export function colludingAnswers(self: Contact, kx: KxAddress, clique: PositionIndex): Answers {
  return (from, request, budget) => {
    switch (request.kind) {
      case 'ping':
        return { kind: 'pong' };
      case 'store':
      case 'offer':
        return { kind: 'stored', verdict: 'stored' };
      case 'relay':
      case 'relayed':
        return { kind: 'taken', verdict: 'taken' };
      case 'fetch':
        return null;
      case 'find': {
        const others = clique
          .closest(request.key, K + 2)
          .filter((contact) => contact.id !== self.id && contact.id !== from.id);
        const contacts = others.slice(0, K);
        return fitFound({ kx: request.wantKx ? kx : null, valuesDigest: null, contacts, values: [] }, budget);
      }
    }
  };
}

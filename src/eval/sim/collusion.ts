/**
 * Role: what peers answer that hang together against the others.
 *
 * They are alive, they know nobody but each other — of the others they name those closest to the key, which is what
 * leads a search astray best — and they take whatever they are to store or to hand on, say so, and forget it. Towards
 * TRACE they are hops like any other. Beyond that they can be told to
 * - `hide`: what they took, they give out to whoever brought it and to nobody else, so that reading back finds it;
 * - `forge`: for every key they all hold the same content of their own, so that many holders agree on it.
 */
import { BoundedMap } from '../../dht/bounded-map.js';
import type { Contact } from '../../dht/contact.js';
import { K } from '../../dht/network.js';
import { fitFound, type KxAddress, type RpcRequest } from '../../dht/rpc-message.js';
import type { Answers } from './hostile-node.js';
import type { PositionIndex } from './position-index.js';

export interface Malice {
  readonly hide?: boolean;
  readonly forge?: boolean;
}

const MOST_HIDDEN = 1_000;
const FORGED = Buffer.from('nothing of what you look for', 'ascii');
const FORGED_DIGEST = Buffer.alloc(16, 0xf0);
const HIDDEN_DIGEST = Buffer.alloc(16, 0x0f);

/** @param clique all that hang together, the one who answers included */
export function colludingAnswers(
  self: Contact,
  kx: KxAddress,
  clique: PositionIndex,
  malice: Malice = {},
): Answers {
  const hidden = new BoundedMap<string, Buffer>(MOST_HIDDEN);
  const place = (from: Contact, key: Buffer) => from.id + key.toString('latin1');

  const values = (from: Contact, request: RpcRequest & { kind: 'find' }) => {
    const content = request.wantValues ? hidden.peek(place(from, request.key)) : undefined;
    if (content) return { valuesDigest: HIDDEN_DIGEST, values: [content] };
    if (malice.forge && request.wantValues) return { valuesDigest: FORGED_DIGEST, values: [FORGED] };
    return { valuesDigest: null, values: [] };
  };

  return (from, request, budget) => {
    switch (request.kind) {
      case 'ping':
        return { kind: 'pong' };
      case 'store':
        if (malice.hide) hidden.set(place(from, request.key), request.content);
        return { kind: 'stored', verdict: 'stored' };
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
        return fitFound(
          { kx: request.wantKx ? kx : null, closest: () => contacts, ...values(from, request) },
          budget,
        );
      }
    }
  };
}

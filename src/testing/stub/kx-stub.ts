/**
 * Role: a KX that builds no tunnels but answers as if it did: what `peer test stub kx` does where no script says otherwise.
 *
 * Invariants: each pseudo-identity with an outgoing tunnel has an address of its own in 10.99.0.0/16; bounded: beyond
 * MAX_TUNNELS, BUILD gives ERROR; so does one to an exchange point without port or address.
 *
 * Not here: sockets (stub-server.ts), scripts (script.ts), packets.
 */

import { type ApiMessage, MESSAGE_TYPE } from '../../wire/message.js';

const MAX_TUNNELS = 4_096;
const NONE = { ipv4: Buffer.alloc(4), ipv6: Buffer.alloc(16) };

export class KxStub {
  readonly #incoming = new Set<string>();
  /** Outgoing tunnels and the last two bytes of their addresses. */
  readonly #outgoing = new Map<string, number>();
  #next = 1;

  answers(request: ApiMessage): ApiMessage[] {
    if (request.type === 'kx-destroy') {
      const { pseudoIdentity } = request;
      const id = pseudoIdentity.toString('hex');
      const [wasIn, wasOut] = [this.#incoming.delete(id), this.#outgoing.delete(id)];
      if (wasIn || wasOut) return [];
      return [{ type: 'kx-error', requestType: MESSAGE_TYPE.kxDestroy, pseudoIdentity }];
    }
    if (request.type !== 'kx-build-incoming' && request.type !== 'kx-build-outgoing') return [];
    const { pseudoIdentity, exchangePoint, type } = request;
    const isIncoming = type === 'kx-build-incoming';
    const { kxPort, ipv4, ipv6 } = exchangePoint;
    const isFull = this.#incoming.size + this.#outgoing.size >= MAX_TUNNELS;
    if (kxPort === 0 || (ipv4 === null && ipv6 === null) || isFull) {
      const requestType = isIncoming ? MESSAGE_TYPE.kxBuildIncoming : MESSAGE_TYPE.kxBuildOutgoing;
      return [{ type: 'kx-error', requestType, pseudoIdentity }];
    }
    const id = pseudoIdentity.toString('hex');
    if (isIncoming) {
      this.#incoming.add(id);
      return [{ type: 'kx-ready', pseudoIdentity, ...NONE }];
    }
    const place = this.#outgoing.get(id) ?? this.#next++ % 0x1_0000;
    this.#outgoing.set(id, place);
    const address = Buffer.from([10, 99, place >> 8, place & 0xff]);
    return [{ type: 'kx-ready', pseudoIdentity, ipv4: address, ipv6: NONE.ipv6 }];
  }
}

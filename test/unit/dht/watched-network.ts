/** A network in which private lookups are ready to be made, and everything that its nodes get to see of them. */

import type { OnionCipher } from '../../../src/dht/private/onion-cipher.js';
import { decodeRpc, isRequest, type RpcMessage } from '../../../src/dht/rpc-message.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import { makePrivate } from './stand-in-onions.js';

export async function readyNetwork(
  seed: string,
  count: number,
): Promise<{ network: VirtualNetwork; ciphers: OnionCipher[] }> {
  const network = new VirtualNetwork(seed);
  const { ciphers } = makePrivate(network);
  await network.grow(count);
  // Until first hops are pinned and paths are ready, so that nobody probes meanwhile.
  await network.clock.advance(120_000);
  return { network, ciphers };
}

export interface Seen {
  /** Index of the node. */
  readonly at: number;
  readonly plaintext: Buffer;
  /** The payload of message 1 of a handshake, in which whoever calls says who it is. */
  readonly handshake: boolean;
}

/**
 * Everything that any node opens from now on, RPC messages and what is under its layer of an onion; and whom each node
 * turns to by itself, not to answer.
 */
export function watch(network: VirtualNetwork, ciphers: readonly OnionCipher[]) {
  const seen: Seen[] = [];
  const asked: { from: string; to: string }[] = [];
  let asking = false;
  for (const [index, { node }] of network.nodes.entries()) {
    const { channel } = node.network.parts.rpc.sessions;
    const { open, respond, seal } = channel;
    Object.assign(channel, {
      seal: (...args: Parameters<typeof seal>) => {
        const message = decodeRpc(args[3])?.message;
        // A ping is upkeep of tables, which any answer can bring about.
        asking = message !== undefined && isRequest(message) && message.kind !== 'ping';
        return seal(...args);
      },
      open: (...args: Parameters<typeof open>) => {
        const plaintext = open(...args);
        if (plaintext) seen.push({ at: index, plaintext, handshake: false });
        return plaintext;
      },
      respond: (...args: Parameters<typeof respond>) => {
        const reception = respond(...args);
        if (reception) seen.push({ at: index, plaintext: reception.payload, handshake: true });
        return reception;
      },
    });
    const cipher = ciphers[index];
    if (!cipher) continue;
    const { stream, open: openReply } = cipher;
    Object.assign(cipher, {
      stream: (...args: Parameters<typeof stream>) => {
        const plaintext = stream(...args);
        seen.push({ at: index, plaintext, handshake: false });
        return plaintext;
      },
      open: (...args: Parameters<typeof openReply>) => {
        const plaintext = openReply(...args);
        if (plaintext) seen.push({ at: index, plaintext, handshake: false });
        return plaintext;
      },
    });
  }
  network.filter = (from, to, bytes) => {
    if (bytes[0] === 0x11 || (bytes[0] === 0x13 && asking)) asked.push({ from: from.host, to: to.host });
    return true;
  };
  const connect = network.openStream.bind(network);
  network.openStream = (from, to) => {
    asked.push({ from: from.host, to: to.host });
    return connect(from, to);
  };
  return { seen, asked };
}

/** What a message says besides the contacts that every `found` has for everybody. */
export function withoutContacts(plaintext: Buffer): Buffer {
  const message: RpcMessage | undefined = decodeRpc(plaintext)?.message;
  if (message?.kind !== 'found') return plaintext;
  return Buffer.concat(message.values);
}

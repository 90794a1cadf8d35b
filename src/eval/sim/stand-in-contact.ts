/**
 * Role: makes the contact of a simulated peer: an identity without a hostkey, a position without a puzzle.
 *
 * Not here: its certificate and channel (stand-in-channel.ts).
 */
import type { Contact } from '../../dht/contact.js';
import type { Endpoint, Random } from '../../dht/environment.js';
import { epochAt, verifyPosition } from '../../dht/position.js';

/** @param nowSeconds unix time: the proof is for its epoch */
export function standInContact(random: Random, endpoint: Endpoint, nowSeconds: number): Contact {
  const identity = random.bytes(32);
  const key = random.bytes(32);
  const proof = { epoch: epochAt(identity, nowSeconds), nonce: random.bytes(8) };
  const position = verifyPosition(identity, proof, nowSeconds, 0) as Buffer;
  const id = identity.toString('hex');
  return { id, identity, key, proof, position, ipv4: endpoint.host, ipv6: null, port: endpoint.port };
}

/**
 * Role: a hostile peer: the production RPC with answers of its own choice, and without any of a node's duties.
 *
 * It authenticates as everybody does, keeps no table and no contents, and refuses streams.
 * Not here: what it answers (collusion.ts), the same on real sockets (src/testing/attackers/dht).
 */
import { CertifiedKeys } from '../../dht/certified-keys.js';
import type { Contact, UnverifiedContact } from '../../dht/contact.js';
import { Counters } from '../../dht/counters.js';
import { decodeDatagram } from '../../dht/datagram.js';
import type { ByteStream, Clock, DatagramTransport, Endpoint, Random } from '../../dht/environment.js';
import { Peers } from '../../dht/peers.js';
import { RoundTrips } from '../../dht/round-trip.js';
import { Rpc } from '../../dht/rpc.js';
import type { RpcAnswer, RpcRequest } from '../../dht/rpc-message.js';
import type { SecureChannel } from '../../dht/secure-channel.js';
import type { Receiver } from './virtual-internet.js';

/** One answer of at most `budget` bytes, or null for silence. */
export type Answers = (from: Contact, request: RpcRequest, budget: number) => RpcAnswer | null;

export interface HostileNodeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: DatagramTransport;
  readonly channel: SecureChannel;
  readonly verify: (contact: UnverifiedContact) => Contact | null;
  readonly contact: Contact;
  readonly answers: Answers;
}

export class HostileNode implements Receiver {
  readonly rpc: Rpc;
  readonly contact: Contact;

  constructor({ contact, answers, channel, ...shared }: HostileNodeOptions) {
    this.contact = contact;
    const peers = new Peers();
    this.rpc = new Rpc({
      ...shared,
      channel,
      certified: new CertifiedKeys(channel, peers),
      counters: new Counters(),
      roundTrips: new RoundTrips(peers),
      self: () => contact,
      onRequest: (from, _inSession, request, budget) => answers(from, request, budget),
      onAlive: () => {},
      onCaller: () => {},
    });
  }

  handleDatagram(from: Endpoint, bytes: Buffer): void {
    const datagram = decodeDatagram(bytes);
    if (datagram) this.rpc.handleDatagram(from, datagram);
  }

  handleStream(stream: ByteStream): void {
    stream.start({ onData: () => {}, onClose: () => {} });
    stream.destroy();
  }
}

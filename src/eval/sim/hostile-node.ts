/**
 * Role: a hostile peer: the production RPC with answers of its own choice, and without any of a node's duties.
 *
 * It authenticates as everybody does, keeps no table and no contents, and refuses streams.
 * Not here: what it answers (collusion.ts).
 */
import { CertifiedKeys } from '../../dht/certified-keys.js';
import type { Contact } from '../../dht/contact.js';
import { Counters } from '../../dht/counters.js';
import { decodeDatagram } from '../../dht/datagram.js';
import type { ByteStream, Clock, Endpoint, Random } from '../../dht/environment.js';
import { Peers } from '../../dht/peers.js';
import { RoundTrips } from '../../dht/round-trip.js';
import { Rpc } from '../../dht/rpc.js';
import type { RpcAnswer, RpcRequest } from '../../dht/rpc-message.js';
import type { SecureChannel } from '../../dht/secure-channel.js';
import type { Roster } from './roster.js';
import type { Receiver, VirtualHost } from './virtual-internet.js';

/** One answer of at most `budget` bytes, or null for silence. */
export type Answers = (from: Contact, request: RpcRequest, budget: number) => RpcAnswer | null;

export interface HostileNodeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly host: VirtualHost;
  readonly channel: SecureChannel;
  readonly roster: Roster;
  readonly contact: Contact;
  readonly answers: Answers;
}

export class HostileNode implements Receiver {
  readonly rpc: Rpc;
  readonly contact: Contact;

  constructor({ clock, random, host, channel, roster, contact, answers }: HostileNodeOptions) {
    this.contact = contact;
    const peers = new Peers();
    this.rpc = new Rpc({
      clock,
      random,
      channel,
      transport: host,
      certified: new CertifiedKeys(channel, peers),
      counters: new Counters(),
      roundTrips: new RoundTrips(peers),
      self: () => contact,
      verify: (unverified) => roster.verify(unverified),
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

/**
 * Role: a hostile node on real sockets: it makes itself known to the network of its HOSTLIST and keeps a list of who is there.
 *
 * Invariants: it answers what its attacker says (hostile-node.ts), and to pings always, so that honest tables take it; its streams are
 * taken and never answered.
 *
 * Not here: what it lies about (the attackers), who it is (hostile-identity.ts).
 */

import type { DhtConfig } from '../../../config/config.js';
import { Bootstrap } from '../../../dht/bootstrap.js';
import type { Contact, UnverifiedContact } from '../../../dht/contact.js';
import { decodeDatagram } from '../../../dht/datagram.js';
import type { DatagramTransport, Endpoint } from '../../../dht/environment.js';
import { bootstrapEndpoints, ownAddresses } from '../../../dht/own-addresses.js';
import type { RpcAnswer, RpcRequest } from '../../../dht/rpc-message.js';
import { systemClock, systemRandom } from '../../../dht/system-environment.js';
import { TcpTransport } from '../../../dht/tcp-transport.js';
import { UdpTransport } from '../../../dht/udp-transport.js';
import { verifyContact } from '../../../dht/verified-contact.js';
import { type Answers, HostileNode } from '../../../eval/sim/hostile-node.js';
import { type Attack, pause } from '../attacker.js';
import { dhtOf, type HostileIdentity } from './hostile-identity.js';

const MOST_KNOWN = 512;
const ASKED_A_ROUND = 8;
const ROUND_MS = 400;

export interface HostilePeerOptions {
  readonly answers: Answers;
  readonly wire?: Wire;
  /** How long each datagram that it sends is kept back; by default not at all. */
  readonly delayMs?: () => number;
}

/** Sees the datagrams of a hostile peer. */
export interface Wire {
  readonly onSent?: (to: Endpoint, bytes: Buffer) => void;
  readonly onReceived?: (from: Endpoint, bytes: Buffer) => void;
}

export class HostilePeer {
  readonly identity: HostileIdentity;
  readonly node: HostileNode;
  /** Others that have answered. */
  readonly known = new Map<string, Contact>();
  readonly #attack: Attack;
  readonly #dht: DhtConfig;
  readonly #udp = new UdpTransport();
  readonly #tcp = new TcpTransport();
  readonly #bootstrap: Bootstrap;
  readonly #o: HostilePeerOptions;

  private constructor(attack: Attack, identity: HostileIdentity, options: HostilePeerOptions) {
    this.#attack = attack;
    this.#dht = dhtOf(attack.config);
    this.#o = options;
    this.identity = identity;
    const transport: DatagramTransport = {
      send: (to, bytes) => this.send(to, bytes),
      reaches: (family) => this.#udp.reaches(family),
    };
    this.node = new HostileNode({
      ...{ clock: systemClock, random: systemRandom, transport, channel: identity.channel },
      contact: identity.contact,
      verify: (contact) => verifyContact(contact, Date.now() / 1000),
      answers: options.answers,
    });
    this.#bootstrap = new Bootstrap({
      ...{ clock: systemClock, random: systemRandom },
      send: (to, bytes) => this.send(to, bytes),
      resolve: async () => {
        const own = await ownAddresses(this.#dht.overlayHosts, identity.contact.port);
        return bootstrapEndpoints(this.#dht.hostlist, own, identity.contact.port);
      },
      lonely: () => this.known.size === 0,
      onWelcome: (contact) => this.#meet(contact),
    });
  }

  /** Errors: 'dht-bind', 'config'. */
  static async open(
    attack: Attack,
    identity: HostileIdentity,
    options: HostilePeerOptions,
  ): Promise<HostilePeer> {
    const peer = new HostilePeer(attack, identity, options);
    const own = await ownAddresses(peer.#dht.overlayHosts, identity.contact.port);
    await peer.#udp.bind(own.bind, (from, bytes) => peer.#onDatagram(from, bytes));
    await peer.#tcp.listen(own.bind, (stream) => {
      attack.count('streams left without an answer');
      stream.start({ onData: () => {}, onClose: () => {} });
    });
    peer.#bootstrap.start();
    return peer;
  }

  /** Past the RPC. */
  send(to: Endpoint, bytes: Buffer): void {
    this.#o.wire?.onSent?.(to, bytes);
    const delayMs = this.#o.delayMs?.() ?? 0;
    if (delayMs === 0) this.#udp.send(to, bytes);
    else setTimeout(() => this.#udp.send(to, bytes), delayMs).unref();
  }

  /** Gets to know everybody and lets everybody know it, again and again, until the attack is over. */
  async mingle(): Promise<void> {
    const { random, over } = this.#attack;
    while (!over.aborted) {
      for (const contact of random.shuffled([...this.known.values()]).slice(0, ASKED_A_ROUND)) {
        const find: RpcRequest = { kind: 'find', key: random.bytes(32), wantValues: false, wantKx: false };
        const answer = await this.ask(contact, find);
        if (answer?.kind === 'found') for (const other of answer.contacts) this.#meet(other);
        if (over.aborted) return;
      }
      await pause(ROUND_MS, over);
    }
  }

  /** Resolves to null where there is no answer. */
  ask(contact: Contact, request: RpcRequest): Promise<RpcAnswer | null> {
    return new Promise((resolve) => {
      this.node.rpc.request(contact, request, {
        onAnswer: (answer) => resolve(answer),
        onFailure: () => resolve(null),
      });
    });
  }

  async close(): Promise<void> {
    this.#bootstrap.close();
    this.node.rpc.close();
    await Promise.all([this.#udp.close(), this.#tcp.close()]);
  }

  #onDatagram(from: Endpoint, bytes: Buffer): void {
    this.#o.wire?.onReceived?.(from, bytes);
    const datagram = decodeDatagram(bytes);
    if (datagram?.type === 'welcome') this.#bootstrap.handleWelcome(datagram.token, from, datagram.contact);
    else if (datagram) this.node.rpc.handleDatagram(from, datagram);
  }

  #meet(unverified: UnverifiedContact): void {
    const contact = verifyContact(unverified, Date.now() / 1000);
    const { id } = this.identity.contact;
    if (!contact || contact.id === id || this.known.has(contact.id) || this.known.size >= MOST_KNOWN) return;
    void this.ask(contact, { kind: 'ping' }).then((answer) => {
      if (answer !== null) this.known.set(contact.id, contact);
    });
  }
}

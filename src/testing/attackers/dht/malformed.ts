/**
 * Role: sends the DHT nodes of the HOSTLIST what no node would send: at every layer, from bytes that are no datagram to a right
 * handshake with a wrong certificate, a wrong position or no request in it, and streams that are no streams.
 *
 * Not here: malformed API messages (src/testing/attackers/api).
 */

import { connect, type Socket } from 'node:net';
import { ByteWriter } from '../../../dht/bytes.js';
import type { UnverifiedContact } from '../../../dht/contact.js';
import {
  DATAGRAM_BYTES,
  INITIATION_CAPACITY,
  initiationDatagram,
  welcomeDatagram,
} from '../../../dht/datagram.js';
import type { Endpoint } from '../../../dht/environment.js';
import { encodeFirst, type FirstPayload } from '../../../dht/handshake-payload.js';
import { bootstrapEndpoints, ownAddresses } from '../../../dht/own-addresses.js';
import { encodeRpc } from '../../../dht/rpc-message.js';
import { frame } from '../../../dht/stream-frames.js';
import type { SeededRandom } from '../../../eval/sim/seeded-random.js';
import { type Attack, type Attacker, pause } from '../attacker.js';
import { dhtOf, type HostileIdentity, ownIdentity } from './hostile-identity.js';
import { HostilePeer } from './hostile-peer.js';

const ROUND_MS = 50;
const DATAGRAMS_A_ROUND = 20;
const STREAMS_AT_ONCE = 80;
const STREAM_EVERY_ROUNDS = 4;
/** First bytes of datagrams (datagram.ts), and of none. */
const HEADS = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x21, 0x00, 0xff];
const HOLE = { family: 4, host: '192.0.2.1', port: 9 } as const;

export const dhtMalformed: Attacker = {
  name: 'dht-malformed',
  what: 'sends DHT nodes malformed datagrams, handshakes and streams, at every layer',
  counters: [
    'dht.state.node.counters.dropMalformed',
    'dht.state.node.counters.dropHandshake',
    'dht.state.node.counters.dropUnknownSession',
    'dht.state.node.counters.dropUnknownAnswer',
    'dht.state.node.counters.dropCertificate',
    'dht.state.node.counters.dropPosition',
  ],
  run,
};

async function run(attack: Attack): Promise<void> {
  const { config, random, over, count } = attack;
  const dht = dhtOf(config);
  const identity = await ownIdentity(config, over);
  if (identity === null) return;
  const peer = await HostilePeer.open(attack, identity, { answers: () => null });
  const mingling = peer.mingle();
  const own = await ownAddresses(dht.overlayHosts, identity.contact.port);
  const targets = await bootstrapEndpoints(dht.hostlist, own, identity.contact.port);
  const streams = new Set<Socket>();
  attack.begin();
  for (let round = 0; !over.aborted; round++) {
    for (const target of targets) {
      for (let sent = 1; sent < DATAGRAMS_A_ROUND; sent++) peer.send(target, noise(random));
      peer.send(target, welcomeDatagram(random.bytes(8), identity.contact));
      count('malformed datagrams', DATAGRAMS_A_ROUND);
      if (round % STREAM_EVERY_ROUNDS === 0 && streams.size < STREAMS_AT_ONCE) {
        brokenStream(target, random, streams);
        count('broken streams');
      }
    }
    for (const { key, ...contact } of peer.known.values()) {
      const to = endpointOf(contact);
      for (const payload of wrongHandshakes(identity, random)) {
        const message = identity.channel.initiate('datagram', key, payload)?.message;
        if (message === undefined) continue;
        peer.send(to, initiationDatagram(random.integer(2 ** 31), message));
        count('wrong handshakes');
      }
    }
    await pause(ROUND_MS, over);
  }
  for (const stream of streams) stream.destroy();
  await mingling;
  await peer.close();
}

function endpointOf({ ipv4, ipv6, port }: Omit<UnverifiedContact, 'key'>): Endpoint {
  if (ipv4 !== null) return { family: 4, host: ipv4, port };
  return ipv6 === null ? HOLE : { family: 6, host: ipv6, port };
}

/** Right lengths too, which get further. */
function noise(random: SeededRandom): Buffer {
  const head = random.pick(HEADS);
  const whole = head === 0x11 && random.fraction() < 0.8;
  const bytes = random.bytes(whole ? DATAGRAM_BYTES : 1 + random.integer(DATAGRAM_BYTES + 100));
  bytes[0] = head;
  return bytes;
}

/** Payloads that Noise carries and that do not hold: another's certificate, a position nobody has found, no request. */
function wrongHandshakes(identity: HostileIdentity, random: SeededRandom): Buffer[] {
  const { contact, channel } = identity;
  const right: FirstPayload = {
    ...{ holdsCertificate: false, contact, certificate: channel.certificate },
    request: encodeRpc({ requestId: random.integer(2 ** 31), message: { kind: 'ping' } }),
  };
  // An identity that the victim has not met: of one that it knows it looks at no certificate again.
  const stolen = { ...contact, identity: random.bytes(32) };
  const elsewhere = { ...contact, proof: { ...contact.proof, nonce: random.bytes(8) } };
  const wrong: FirstPayload[] = [
    { ...right, contact: stolen },
    { ...right, contact: stolen, certificate: random.bytes(channel.certificate.length) },
    { ...right, contact: elsewhere },
    { ...right, request: random.bytes(random.integer(40)) },
    { ...right, request: new ByteWriter().u8(0x25).u32(1).done() },
  ];
  return [
    ...wrong.flatMap((payload) => encodeFirst(payload, INITIATION_CAPACITY) ?? []),
    random.bytes(INITIATION_CAPACITY),
  ];
}

function brokenStream({ host, port }: Endpoint, random: SeededRandom, streams: Set<Socket>): void {
  const stream = connect({ host, port });
  streams.add(stream);
  stream.on('error', () => {});
  stream.on('close', () => streams.delete(stream));
  const bytes = random.bytes(1 + random.integer(400));
  switch (random.integer(4)) {
    case 0:
      stream.write(bytes);
      break;
    case 1:
      stream.end(frame(bytes));
      break;
    case 2:
      stream.write(frame(bytes).subarray(0, 3));
      break;
    default: {
      const huge = Buffer.alloc(4);
      huge.writeUInt32BE(0xffff_ffff);
      stream.write(huge);
    }
  }
}

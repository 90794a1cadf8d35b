/**
 * Role: a pcapng file of what went over the proxy's connections, as TCP/IP packets that are put together for it.
 *
 * Each connection is there twice, as the client's (interface "client") and as the target's (interface "target"), so that
 * what rules did can be seen as a difference. Sequence and acknowledgement numbers, checksums, SYN, FIN and RST are right;
 * sizes of segments are those of the reads and writes, and every segment is acknowledged at once.
 *
 * Not here: decoding (docs/testing/peer-api.lua), bytes of a packet (ip-packet.ts), the file (output-file.ts).
 */

import type { Clock } from '../../clock.js';
import { type Endpoint, FLAG, tcpPacket } from './ip-packet.js';
import type { OutputFile } from './output-file.js';

export const INTERFACES = ['client', 'target'] as const;
export type Interface = (typeof INTERFACES)[number];

const LINKTYPE_RAW = 101;
const BLOCK = { section: 0x0a0d0d0a, interface: 1, packet: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const OPTION = { ifName: 2, application: 4 } as const;
const MOST_PAYLOAD_BYTES = 32_768;
const NOTHING: Buffer = Buffer.alloc(0);

export class Capture {
  readonly #file: OutputFile;
  readonly #clock: Clock;

  constructor(file: OutputFile, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
    const section = Buffer.alloc(16);
    section.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
    section.writeUInt16LE(1, 4);
    section.writeBigInt64LE(-1n, 8); // the section's length is not known
    this.#block(BLOCK.section, [section, option(OPTION.application, 'peer test proxy'), option(0, '')]);
    for (const name of INTERFACES) {
      const head = Buffer.alloc(8);
      head.writeUInt16LE(LINKTYPE_RAW, 0);
      this.#block(BLOCK.interface, [head, option(OPTION.ifName, name), option(0, '')]);
    }
  }

  /** Sequence number that the newest connection began with. */
  #begun = 0;

  /** A connection that `opener` has opened; writes its handshake. */
  open(on: Interface, opener: Endpoint, acceptor: Endpoint): CapturedConnection {
    const write = (packet: Buffer) => this.#packet(INTERFACES.indexOf(on), packet);
    // Ports are used again: another beginning shows that it is another connection.
    this.#begun = (this.#begun + SEQUENCE_STEP) % 2 ** 32;
    return new CapturedConnection(write, opener, acceptor, this.#begun);
  }

  #packet(interfaceId: number, packet: Buffer): void {
    const micros = BigInt(Math.floor(this.#clock.now() * 1_000));
    const head = Buffer.alloc(20);
    head.writeUInt32LE(interfaceId, 0);
    head.writeUInt32LE(Number(micros >> 32n), 4);
    head.writeUInt32LE(Number(micros & 0xffffffffn), 8);
    head.writeUInt32LE(packet.length, 12);
    head.writeUInt32LE(packet.length, 16);
    this.#block(BLOCK.packet, [head, packet, padding(packet.length)]);
  }

  #block(type: number, body: readonly Buffer[]): void {
    const length = 12 + body.reduce((sum, part) => sum + part.length, 0);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(type, 0);
    head.writeUInt32LE(length, 4);
    const tail = Buffer.alloc(4);
    tail.writeUInt32LE(length, 0);
    this.#file.write(Buffer.concat([head, ...body, tail]));
  }
}

/** Odd and large, so that it takes long until a number comes again. */
const SEQUENCE_STEP = 0x9e37_79b1;

export type End = 'opener' | 'acceptor';

export class CapturedConnection {
  readonly #write: (packet: Buffer) => void;
  readonly #endpoints: Readonly<Record<End, Endpoint>>;
  /** The next sequence number of each end. */
  readonly #next: Record<End, number>;
  readonly #finished = new Set<End>();
  #reset = false;

  /** @internal Made by Capture. */
  constructor(write: (packet: Buffer) => void, opener: Endpoint, acceptor: Endpoint, sequence: number) {
    this.#write = write;
    this.#next = { opener: sequence, acceptor: sequence };
    this.#endpoints = { opener, acceptor };
    this.#segment('opener', FLAG.syn, NOTHING, 1);
    this.#segment('acceptor', FLAG.syn | FLAG.ack, NOTHING, 1);
    this.#segment('opener', FLAG.ack);
  }

  data(from: End, bytes: Buffer): void {
    if (this.#reset || this.#finished.has(from)) return;
    for (let offset = 0; offset < bytes.length; offset += MOST_PAYLOAD_BYTES) {
      const payload = bytes.subarray(offset, offset + MOST_PAYLOAD_BYTES);
      this.#segment(from, FLAG.psh | FLAG.ack, payload, payload.length);
      this.#segment(other(from), FLAG.ack);
    }
  }

  /** `from` sends no more. */
  end(from: End): void {
    if (this.#reset || this.#finished.has(from)) return;
    this.#finished.add(from);
    this.#segment(from, FLAG.fin | FLAG.ack, NOTHING, 1);
    this.#segment(other(from), FLAG.ack);
  }

  reset(from: End): void {
    if (this.#reset || this.#finished.size === 2) return;
    this.#reset = true;
    this.#segment(from, FLAG.rst | FLAG.ack);
  }

  #segment(from: End, flags: number, payload: Buffer = NOTHING, advance = 0): void {
    const to = other(from);
    const acknowledged = (flags & FLAG.ack) === 0 ? 0 : this.#next[to];
    const segment = { sequence: this.#next[from], acknowledged, flags, payload };
    this.#write(tcpPacket(this.#endpoints[from], this.#endpoints[to], segment));
    this.#next[from] = (this.#next[from] + advance) % 2 ** 32;
  }
}

function other(end: End): End {
  return end === 'opener' ? 'acceptor' : 'opener';
}

function option(code: number, text: string): Buffer {
  const value = Buffer.from(text, 'utf8');
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value, padding(value.length)]);
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}

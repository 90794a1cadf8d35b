/**
 * Role: IP packets that carry TCP segments, with right lengths and checksums (RFC 791, 8200, 9293), for captures.
 *
 * Not here: sequence numbers (capture.ts); packets that anybody sends.
 */

export interface Endpoint {
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  readonly port: number;
}

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export interface Segment {
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  readonly payload: Buffer;
}

const TCP_BYTES = 20;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const PROTOCOL_TCP = 6;
const HOP_LIMIT = 64;

/** Both ends are of one family; the payload has at most 65 000 bytes. */
export function tcpPacket(from: Endpoint, to: Endpoint, segment: Segment): Buffer {
  const tcp = tcpSegment(from, to, segment);
  return from.address.length === 4
    ? ipv4Packet(from.address, to.address, tcp)
    : ipv6Packet(from.address, to.address, tcp);
}

function tcpSegment(from: Endpoint, to: Endpoint, segment: Segment): Buffer {
  const out = Buffer.alloc(TCP_BYTES + segment.payload.length);
  out.writeUInt16BE(from.port, 0);
  out.writeUInt16BE(to.port, 2);
  out.writeUInt32BE(segment.sequence >>> 0, 4);
  out.writeUInt32BE(segment.acknowledged >>> 0, 8);
  out.writeUInt8((TCP_BYTES / 4) << 4, 12);
  out.writeUInt8(segment.flags, 13);
  out.writeUInt16BE(0xffff, 14);
  segment.payload.copy(out, TCP_BYTES);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(out.length, 0);
  pseudo.writeUInt32BE(PROTOCOL_TCP, 4);
  out.writeUInt16BE(internetChecksum([from.address, to.address, pseudo, out]), 16);
  return out;
}

function ipv4Packet(from: Buffer, to: Buffer, tcp: Buffer): Buffer {
  const head = Buffer.alloc(IPV4_BYTES);
  head.writeUInt8(0x45, 0);
  head.writeUInt16BE(IPV4_BYTES + tcp.length, 2);
  head.writeUInt16BE(0x4000, 6); // never in fragments, so that no identification is needed
  head.writeUInt8(HOP_LIMIT, 8);
  head.writeUInt8(PROTOCOL_TCP, 9);
  from.copy(head, 12);
  to.copy(head, 16);
  head.writeUInt16BE(internetChecksum([head]), 10);
  return Buffer.concat([head, tcp]);
}

function ipv6Packet(from: Buffer, to: Buffer, tcp: Buffer): Buffer {
  const head = Buffer.alloc(IPV6_BYTES);
  head.writeUInt8(0x60, 0);
  head.writeUInt16BE(tcp.length, 4);
  head.writeUInt8(PROTOCOL_TCP, 6);
  head.writeUInt8(HOP_LIMIT, 7);
  from.copy(head, 8);
  to.copy(head, 24);
  return Buffer.concat([head, tcp]);
}

/** RFC 1071, over parts of which only the last may have an odd number of bytes. */
export function internetChecksum(parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    const even = part.length & ~1;
    for (let offset = 0; offset < even; offset += 2) sum += part.readUInt16BE(offset);
    if (even < part.length) sum += (part[even] as number) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

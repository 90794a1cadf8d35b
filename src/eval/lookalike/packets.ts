/**
 * Role: what a listener on all links sees: when each UDP datagram passed, between whom, how long it was.
 *
 * Not here: what follows from it (features.ts).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { PeerError } from '../../errors.js';

/** Enough for the headers of Ethernet, IPv6 and UDP. */
const SNAP_BYTES = 96;
const BUFFER_MEGABYTES = 64;
const START_MS = 15_000;

/** A capture of all UDP on an interface of this network namespace, into a file. */
export class Listener {
  private constructor(
    readonly file: string,
    private readonly child: ChildProcess,
  ) {}

  /** Resolves when it listens. Errors: 'capture', with a remedy. */
  static async start(networkInterface: string, file: string): Promise<Listener> {
    const args = ['-q', '-P', '-i', networkInterface, '-f', 'udp', '-s', `${SNAP_BYTES}`];
    const child = spawn('dumpcap', [...args, '-B', `${BUFFER_MEGABYTES}`, '-w', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      let said = '';
      const fail = (why: string) =>
        reject(
          new PeerError('capture', `dumpcap does not listen: ${why} ${said.trim()}`, {
            remedy: 'Install the Debian package tshark, and run as root.',
          }),
        );
      // What comes after the first of these changes nothing.
      const timer = setTimeout(() => fail('nothing heard of it'), START_MS);
      child.once('error', (error) => fail(error.message));
      child.once('exit', () => fail('it ended'));
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk;
        if (/^File: /m.test(said)) resolve();
      });
      child.once('exit', () => clearTimeout(timer));
    });
    return new Listener(file, child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGINT');
    await ended;
  }
}

/** Datagrams of one host, in the order in which they passed. */
export interface Seen {
  /** Unix time in milliseconds. */
  readonly atMs: number[];
  /** From the host, or to it. */
  readonly isOut: boolean[];
  /** The other end: the last part of its address. */
  readonly other: number[];
  /** The UDP port of the receiver. */
  readonly port: number[];
  /** Bytes of payload. */
  readonly size: number[];
}

/** The datagrams of each host, by the last part of its address (hosts as in namespaces.ts, at most 255). Errors: 'capture'. */
export async function readSeen(file: string): Promise<Map<number, Seen>> {
  const hosts = new Map<number, Seen>();
  const note = (host: number, other: number, isOut: boolean, atMs: number, port: number, size: number) => {
    let seen = hosts.get(host);
    if (seen === undefined) {
      seen = { atMs: [], isOut: [], other: [], port: [], size: [] };
      hosts.set(host, seen);
    }
    seen.atMs.push(atMs);
    seen.isOut.push(isOut);
    seen.other.push(other);
    seen.port.push(port);
    seen.size.push(size);
  };
  for (const { atMs, frame } of records(await readFile(file))) {
    const isIpv6 = frame.readUInt16BE(12) === 0x86dd;
    const udp = isIpv6 ? 14 + 40 : 14 + (frame.readUInt8(14) & 15) * 4;
    // Neither fragments beyond the first nor anything cut short.
    if (frame.length < udp + 8 || (!isIpv6 && (frame.readUInt16BE(20) & 0x1fff) !== 0)) continue;
    const [source, destination] = isIpv6
      ? [frame.readUInt8(14 + 23), frame.readUInt8(14 + 39)]
      : [frame.readUInt8(14 + 15), frame.readUInt8(14 + 19)];
    const [port, size] = [frame.readUInt16BE(udp + 2), frame.readUInt16BE(udp + 4) - 8];
    note(source, destination, true, atMs, port, size);
    note(destination, source, false, atMs, port, size);
  }
  return hosts;
}

/** The records of a classic capture file with microseconds. */
function* records(bytes: Buffer): Generator<{ readonly atMs: number; readonly frame: Buffer }> {
  if (bytes.length < 24 || bytes.readUInt32LE(0) !== 0xa1b2c3d4)
    throw new PeerError('capture', 'this is no capture in the form that dumpcap -P writes');
  for (let at = 24; at + 16 <= bytes.length; ) {
    const atMs = bytes.readUInt32LE(at) * 1_000 + bytes.readUInt32LE(at + 4) / 1_000;
    const end = at + 16 + bytes.readUInt32LE(at + 8);
    // A record that was being written when the capture ended.
    if (end > bytes.length) return;
    yield { atMs, frame: bytes.subarray(at + 16, end) };
    at = end;
  }
}

/**
 * Role: what hostile clients of an API do with a connection: each of these is one way not to be a good one.
 *
 * All stay open until the module closes them or the attack is over. Not here: how many, and against whom (api-attacker.ts,
 * src/testing/attackers/api).
 */

import { encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import type { RawConnection } from './raw-connection.js';

const PIPELINED = 20;
const HALF_BYTES = 32_768;

/** Sends a message a byte at a time. */
export function sendSlowly(connection: RawConnection, message: Buffer, byteMs: number): void {
  let sent = 0;
  const timer = setInterval(() => {
    connection.send(message.subarray(sent, sent + 1));
    sent += 1;
    if (sent === message.length || !connection.isOpen) clearInterval(timer);
  }, byteMs);
  timer.unref();
}

/** Half of the largest message that there can be, and then nothing. */
export function sendHalf(connection: RawConnection, type: number): void {
  const half = Buffer.alloc(HALF_BYTES, 7);
  half.writeUInt16BE(65_535, 0);
  half.writeUInt16BE(type, 2);
  connection.send(half);
}

/** Many requests at once. */
export function sendMany(connection: RawConnection, keys: Iterable<Buffer>): void {
  connection.send(Buffer.concat([...keys].map((key) => encodeMessage({ type: 'dht-get', key }))));
}

/** A frame of right length, and noise in it. `noise` has at least four bytes. */
export function sendNoise(connection: RawConnection, noise: Buffer): void {
  const bytes = Buffer.from(noise);
  bytes.writeUInt16BE(40, 0);
  connection.send(bytes);
}

/** Asks for a large content again and again, and reads nothing. */
export function askWithoutReading(connection: RawConnection, largeKey: Buffer, times = PIPELINED): void {
  connection.stopReading();
  sendMany(connection, Array(times).fill(largeKey));
}

/** What each of many connections to a DHT does in turn. */
export function dhtAttacks(
  largeKey: Buffer,
  randomBytes: (length: number) => Buffer,
): readonly ((connection: RawConnection) => void)[] {
  const key = () => randomBytes(32);
  return [
    (connection) => sendSlowly(connection, encodeMessage({ type: 'dht-get', key: key() }), 300),
    (connection) => sendHalf(connection, MESSAGE_TYPE.dhtPut),
    (connection) => sendMany(connection, Array.from({ length: PIPELINED }, key)),
    (connection) => sendNoise(connection, randomBytes(64)),
    (connection) => askWithoutReading(connection, largeKey),
  ];
}

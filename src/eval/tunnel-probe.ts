/**
 * Role: a program at one end of a tunnel: serves, or measures, TCP and UDP echoes through whatever carries them.
 *
 *   node tunnel-probe.js serve ADDRESS PORT
 *   node tunnel-probe.js source ADDRESS PORT BYTES      sends so many bytes to whoever connects
 *   node tunnel-probe.js tcp ADDRESS PORT BYTES     → {"echoed":true,"milliseconds":…}
 *   node tunnel-probe.js download ADDRESS PORT BYTES → {"exact":true,"milliseconds":…}, from a source
 *   node tunnel-probe.js udp ADDRESS PORT COUNT     → {"sent":…,"received":…,"roundTripMs":{"p50":…,"p99":…}}
 *   node tunnel-probe.js echoes ADDRESS PORT COUNT  → {"roundTripsMs":[…],"odd":…}, one for each that was sent, null for a lost one;
 *                                                     odd: what came back otherwise than it went out, or again
 *
 * UDP goes out as voice does: 200 bytes, 50 times a second.
 *
 * Not here: the network between the two ends.
 */

import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { endlessBytes } from './endless-bytes.js';

const UDP_BYTES = 200;
const UDP_EVERY_MS = 20;
const LAST_ANSWER_MS = 3_000;
const CHUNK_BYTES = 65_536;
const [mode = '', address = '', port = '', amount = '0'] = process.argv.slice(2);

function serve(): void {
  createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(port), address, () =>
    process.stdout.write('listening\n'),
  );
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (message, from) => udp.send(message, from.port, from.address));
  udp.bind(Number(port), address);
}

function source(): void {
  createServer((socket) => {
    const bytes = endlessBytes();
    let left = Number(amount);
    const more = () => {
      while (left > 0) {
        const chunk = bytes(Math.min(left, CHUNK_BYTES));
        left -= chunk.length;
        if (!socket.write(chunk)) return;
      }
      socket.end();
    };
    socket.on('error', () => {}).on('drain', more);
    more();
  }).listen(Number(port), address, () => process.stdout.write('listening\n'));
}

async function download(): Promise<void> {
  const expected = endlessBytes();
  let [received, exact] = [0, true];
  const started = performance.now();
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), address);
    socket.on('data', (chunk: Buffer) => {
      exact &&= chunk.equals(expected(chunk.length));
      received += chunk.length;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
  print({ exact: exact && received === Number(amount), milliseconds: performance.now() - started });
}

async function probeTcp(): Promise<void> {
  const payload = randomBytes(Number(amount));
  const echoed = createHash('sha256');
  const started = performance.now();
  await new Promise<void>((resolve, reject) => {
    let received = 0;
    const socket = connect(Number(port), address, () => socket.write(payload));
    socket.on('data', (chunk) => {
      echoed.update(chunk);
      received += chunk.length;
      if (received >= payload.length) socket.end(() => resolve());
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
  const same = echoed.digest().equals(createHash('sha256').update(payload).digest());
  print({ echoed: same, milliseconds: performance.now() - started });
}

/** Round trips in milliseconds by number; what is lost is not there. `odd`: altered, or there already. */
async function exchangeUdp(): Promise<{ roundTrips: ReadonlyMap<number, number>; odd: number }> {
  const count = Number(amount);
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const sentAt: number[] = [];
  const roundTrips = new Map<number, number>();
  let odd = 0;
  await new Promise<void>((resolve) => {
    udp.on('message', (message) => {
      const number = message.readUInt32BE(0);
      const sent = sentAt[number];
      if (sent === undefined || roundTrips.has(number) || !message.equals(numbered(number))) {
        odd += 1;
        return;
      }
      roundTrips.set(number, performance.now() - sent);
      if (roundTrips.size === count) resolve();
    });
    const timer = setInterval(() => {
      const message = numbered(sentAt.length);
      sentAt.push(performance.now());
      udp.send(message, Number(port), address);
      if (sentAt.length === count) {
        clearInterval(timer);
        setTimeout(resolve, LAST_ANSWER_MS);
      }
    }, UDP_EVERY_MS);
  });
  udp.close();
  return { roundTrips, odd };
}

function numbered(number: number): Buffer {
  const message = Buffer.alloc(UDP_BYTES);
  message.writeUInt32BE(number);
  return message;
}

async function probeUdp(): Promise<void> {
  const { roundTrips } = await exchangeUdp();
  const sorted = [...roundTrips.values()].sort((a, b) => a - b);
  const quantile = (part: number) =>
    sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? null;
  print({
    sent: Number(amount),
    received: sorted.length,
    roundTripMs: { p50: quantile(0.5), p99: quantile(0.99) },
  });
}

async function probeEchoes(): Promise<void> {
  const { roundTrips, odd } = await exchangeUdp();
  const all = Array.from({ length: Number(amount) }, (_, number) => roundTrips.get(number) ?? null);
  print({ roundTripsMs: all.map((time) => time && Math.round(time * 1000) / 1000), odd });
}

function print(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}

if (mode === 'serve') serve();
else if (mode === 'source') source();
else if (mode === 'download') await download();
else if (mode === 'tcp') await probeTcp();
else if (mode === 'echoes') await probeEchoes();
else await probeUdp();

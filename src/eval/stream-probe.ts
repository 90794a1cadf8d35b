/**
 * Role: the caller's end of a long conversation through a tunnel: a UDP stream and a TCP transfer, both echoed, until told to end.
 *
 *   node stream-probe.js ADDRESS PORT [TCP_BYTES_PER_SECOND]
 *
 * It prints "running" once both are under way; when its standard input ends, it waits for the last echoes and prints
 * one line of JSON: StreamResults. UDP goes out as voice does: 200 bytes, 50 times a second.
 *
 * Not here: the far end (tunnel-probe.js serve), what disturbs the conversation.
 */

import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { endlessBytes } from './endless-bytes.js';
import type { Gap, StreamResults } from './stream-results.js';

const UDP_BYTES = 200;
const UDP_EVERY_MS = 20;
const TCP_EVERY_MS = 100;
const LAST_ANSWER_MS = 3_000;
/** Pauses between echoes that are worth telling. */
const GAP_MS = 100;
const [address = '', port = '', tcpRate = '0'] = process.argv.slice(2);

function streamUdp(): { stop(): void; results(): StreamResults['udp'] } {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const echoes: number[] = [];
  const gaps: Gap[] = [];
  let lastAt: number | null = null;
  udp.on('message', (message) => {
    const number = message.readUInt32BE(0);
    echoes[number] = (echoes[number] ?? 0) + 1;
    const now = Date.now();
    if (lastAt !== null && now - lastAt >= GAP_MS) gaps.push({ from: lastAt, milliseconds: now - lastAt });
    lastAt = now;
  });
  let sent = 0;
  const begin = performance.now();
  const timer = setInterval(() => {
    // As many as the clock says: a timer that comes late must not thin the stream.
    for (; sent * UDP_EVERY_MS <= performance.now() - begin; sent += 1) {
      const message = Buffer.alloc(UDP_BYTES);
      message.writeUInt32BE(sent);
      udp.send(message, Number(port), address);
    }
  }, UDP_EVERY_MS / 2);
  return {
    stop: () => clearInterval(timer),
    results: () => {
      const received = echoes.filter((count) => count > 0).length;
      const doubled = echoes.filter((count) => count > 1).length;
      return { sent, received, doubled, gaps };
    },
  };
}

function transferTcp(bytesPerSecond: number): { stop(): void; results(): StreamResults['tcp'] } {
  const [outgoing, expected] = [endlessBytes(), endlessBytes()];
  let [sent, received, exact] = [0, 0, true];
  const socket = connect(Number(port), address);
  socket.on('data', (chunk: Buffer) => {
    exact &&= chunk.equals(expected(chunk.length));
    received += chunk.length;
  });
  // A connection that breaks shows in what is missing.
  socket.on('error', () => {});
  const timer = setInterval(() => {
    const chunk = outgoing(Math.ceil((bytesPerSecond * TCP_EVERY_MS) / 1000));
    socket.write(chunk);
    sent += chunk.length;
  }, TCP_EVERY_MS);
  return {
    stop: () => clearInterval(timer),
    results: () => ({ sent, received, exact: exact && sent === received }),
  };
}

const udp = streamUdp();
const tcp = Number(tcpRate) > 0 ? transferTcp(Number(tcpRate)) : null;
process.stdout.write('running\n');
process.stdin.resume().on('end', () => {
  udp.stop();
  tcp?.stop();
  setTimeout(() => {
    const results: StreamResults = { udp: udp.results(), tcp: tcp?.results() ?? null };
    process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
  }, LAST_ANSWER_MS);
});

/**
 * Role: a program at one end of a tunnel: serves, or measures, TCP and UDP echoes through whatever carries them.
 *
 *   node tunnel-probe.js serve ADDRESS PORT
 *   node tunnel-probe.js tcp ADDRESS PORT BYTES     → {"echoed":true,"milliseconds":…}
 *   node tunnel-probe.js udp ADDRESS PORT COUNT     → {"sent":…,"received":…}
 */

import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [mode = '', address = '', port = '', amount = '0'] = process.argv.slice(2);

function serve(): void {
  createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(port), address, () =>
    process.stdout.write('listening\n'),
  );
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (message, from) => udp.send(message, from.port, from.address));
  udp.bind(Number(port), address);
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

async function probeUdp(): Promise<void> {
  const count = Number(amount);
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const seen = new Set<number>();
  await new Promise<void>((resolve) => {
    udp.on('message', (message) => {
      seen.add(message.readUInt32BE(0));
      if (seen.size === count) resolve();
    });
    let next = 0;
    const timer = setInterval(() => {
      const message = Buffer.alloc(160);
      message.writeUInt32BE(next);
      udp.send(message, Number(port), address);
      next += 1;
      if (next === count) {
        clearInterval(timer);
        setTimeout(resolve, 3_000);
      }
    }, 20);
  });
  udp.close();
  print({ sent: count, received: seen.size });
}

function print(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}

if (mode === 'serve') serve();
else if (mode === 'tcp') await probeTcp();
else await probeUdp();

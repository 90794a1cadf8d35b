/** Ports for what is to be started later. */

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that the system gives to connections going out, any of which could take it meanwhile. */
const PORTS = { least: 20_000, below: 32_000 };

/** A TCP port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.least, PORTS.below);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** Private lookups in figures: `node dist/benches/dht-private/main.js`. Goal `dht 6` reads its JSON lines. */
import { measureLatency } from './latency.js';
import { measureLinking } from './linking.js';

const print = (line: object) =>
  process.stdout.write(`${JSON.stringify({ bench: 'dht-private', ...line })}\n`);

print({ part: 'linking', ...(await measureLinking(10_000, 10, 0.2)) });
for (const dropping of ['second', 'first'] as const) {
  print({ part: 'active', ...(await measureLinking(1_000, 20, 0.2, dropping, 600_000)) });
}
print({ part: 'latency', ...(await measureLatency(100, 120)) });

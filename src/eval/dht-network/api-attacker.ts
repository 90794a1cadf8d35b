/**
 * Role: a hostile client of a DHT's API, as a process of its own.
 *
 *   node api-attacker.js HOST PORT CONNECTIONS KEY    KEY in hex: of a large content; prints one line of JSON: AttackResults
 *
 * Every connection does one of the attacks in turn (api-attacks.ts). All stay open until the daemon closes them or the attack
 * is over.
 *
 * Not here: what honest clients see of it (goals/api-trials.ts).
 */

import { randomBytes } from 'node:crypto';
import { openFileLimit } from '../../api/file-limit.js';
import { dhtAttacks } from './api-attacks.js';
import { RawConnection } from './raw-connection.js';

export interface AttackResults {
  readonly connections: number;
  /** Open at the same time, at most. */
  readonly mostOpen: number;
}

const BATCH = 40;
const BATCH_MS = 200;
/** Files that Node itself has open, and then some. */
const SPARE_FILES = 200;

const [host = '', port = '', count = '', keyHex = ''] = process.argv.slice(2);
const wanted = Number(count);
const attacks = dhtAttacks(Buffer.from(keyHex, 'hex'), randomBytes);

if (openFileLimit() < wanted + SPARE_FILES) {
  process.stderr.write(
    `this user may open ${openFileLimit()} files, ${wanted + SPARE_FILES} are needed: raise the limit with ulimit -n\n`,
  );
  process.exit(1);
}

const open = new Set<RawConnection>();
let mostOpen = 0;
for (let made = 0; made < wanted; ) {
  for (let i = 0; i < BATCH && made < wanted; i++, made++) {
    const connection = new RawConnection({ host, port: Number(port) });
    open.add(connection);
    void connection.closed.then(() => open.delete(connection));
    attacks[made % attacks.length]?.(connection);
  }
  await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
  mostOpen = Math.max(mostOpen, open.size);
}
const results: AttackResults = { connections: wanted, mostOpen };
process.stdout.write(`${JSON.stringify(results)}\n`);
process.exit(0);

/**
 * Role: a hostile client of a DHT's API, as a process of its own.
 *
 *   node api-attacker.js HOST PORT CONNECTIONS KEY    KEY in hex: of a large content; prints one line of JSON: AttackResults
 *
 * Every connection is one of five kinds: it sends a request a byte at a time, sends half of the largest message and falls
 * silent, sends many requests at once, sends what is no message, or asks for much and reads nothing. All stay open until the
 * daemon closes them or the attack is over.
 *
 * Not here: what honest clients see of it (goals/api-trials.ts).
 */

import { randomBytes } from 'node:crypto';
import { openFileLimit } from '../../api/file-limit.js';
import { encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import { RawConnection } from './raw-connection.js';

export interface AttackResults {
  readonly connections: number;
  /** Open at the same time, at most. */
  readonly mostOpen: number;
}

const BATCH = 40;
const BATCH_MS = 200;
const BYTE_MS = 300;
const PIPELINED = 20;
/** Files that Node itself has open, and then some. */
const SPARE_FILES = 200;

type Attack = (connection: RawConnection) => void;

const [host = '', port = '', count = '', keyHex = ''] = process.argv.slice(2);
const wanted = Number(count);
const largeKey = Buffer.from(keyHex, 'hex');

const get = (key: Buffer) => encodeMessage({ type: 'dht-get', key });

const ATTACKS: readonly Attack[] = [
  (connection) => {
    const bytes = get(randomBytes(32));
    let sent = 0;
    const timer = setInterval(() => {
      connection.send(bytes.subarray(sent, sent + 1));
      sent += 1;
      if (sent === bytes.length || !connection.isOpen) clearInterval(timer);
    }, BYTE_MS);
  },
  (connection) => {
    const half = Buffer.alloc(32_768, 7);
    half.writeUInt16BE(65_535, 0);
    half.writeUInt16BE(MESSAGE_TYPE.dhtPut, 2);
    connection.send(half);
  },
  (connection) =>
    connection.send(Buffer.concat(Array.from({ length: PIPELINED }, () => get(randomBytes(32))))),
  (connection) => {
    const bytes = randomBytes(64);
    bytes.writeUInt16BE(40, 0);
    connection.send(bytes);
  },
  (connection) => {
    connection.stopReading();
    connection.send(Buffer.concat(Array.from({ length: PIPELINED }, () => get(largeKey))));
  },
];

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
    (ATTACKS[made % ATTACKS.length] as Attack)(connection);
  }
  await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
  mostOpen = Math.max(mostOpen, open.size);
}
const results: AttackResults = { connections: wanted, mostOpen };
process.stdout.write(`${JSON.stringify(results)}\n`);
process.exit(0);

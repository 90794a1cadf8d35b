/** Role: `peer test proxy`: a proxy in front of a DHT or KX. Not here: what it does (src/testing/proxy). */

import { randomInt } from 'node:crypto';
import { Command, Option, UsageError } from 'clipanion';
import type { HostPort } from '../config/config.js';
import { listenPort, port } from '../config/values.js';
import { definedOnly } from '../defined-only.js';
import { createLogger } from '../log.js';
import { PeerCommand } from './command.js';

export class TestProxyCommand extends PeerCommand {
  static override paths = [['test', 'proxy']];
  static override usage = Command.Usage({
    category: 'Tests',
    description: 'sit between the clients of a DHT or KX and the module: log, capture, disturb',
    details:
      'Without rules all bytes pass as they come. docs/testing/proxy.md has the rules, the log and how to read a capture.',
    examples: [
      [
        'Log what a peer asks its DHT, which listens on 4086 while peer.ini names 3086',
        '$0 test proxy dht --listen 127.0.0.1:3086 --target 127.0.0.1:4086 --log dht.ndjson',
      ],
      [
        'Disturb it by rules, and change them while it runs',
        '$0 test proxy dht --listen 127.0.0.1:3086 --target 127.0.0.1:4086 --rules config/proxy-rules.json --seed 7 --control proxy.sock',
      ],
    ],
  });

  api = Option.String({ name: 'dht|kx' });
  listen = Option.String('--listen', { required: true, description: 'HOST:PORT for clients' });
  target = Option.String('--target', { required: true, description: 'HOST:PORT of the module' });
  rules = Option.String('--rules', { description: 'file of rules (JSON or YAML)' });
  log = Option.String('--log', { description: 'file for the decoded log, made anew (NDJSON)' });
  pcap = Option.String('--pcap', { description: 'file for the capture, made anew (pcapng)' });
  seed = Option.String('--seed', { description: 'whole number that chance follows from; default: any' });
  control = Option.String('--control', { description: 'path of the control socket' });

  override async perform(): Promise<undefined> {
    const { api } = this;
    if (api !== 'dht' && api !== 'kx') throw new UsageError(`expected dht or kx, not ${api}`);
    const listen = endpoint('--listen', this.listen, 0);
    const target = endpoint('--target', this.target, 1);
    const seed = this.seed === undefined ? randomInt(2 ** 32) : Number(this.seed);
    if (!Number.isSafeInteger(seed))
      throw new UsageError(`--seed: expected a whole number, not ${this.seed}`);
    const files = { rulesFile: this.rules, logFile: this.log, captureFile: this.pcap };
    const { startSession } = await import('../testing/proxy/session.js');
    const session = await startSession({
      ...{ api, listen, target, seed, log: createLogger({ level: 'warn', name: 'proxy' }) },
      ...definedOnly({ ...files, controlSocket: this.control }),
    });
    const signalled = untilSignal();
    const text = `proxy of ${api} listens on ${listen.host}:${session.port}, target ${target.host}:${target.port}, seed ${seed}`;
    this.print({ api, listen: { ...listen, port: session.port }, target, seed }, text);
    await Promise.race([session.stopped, signalled]);
    await session.close();
    return undefined;
  }
}

/** `least` is 0 where the system may choose the port. */
function endpoint(option: string, text: string, least: 0 | 1): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const number = (least === 0 ? listenPort : port).parse(match?.[3] ?? '');
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || number === undefined)
    throw new UsageError(`${option}: expected HOST:PORT ([ADDRESS]:PORT for IPv6), not ${text}`);
  return { host, port: number };
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** Role: `peer test stub`: runs a stub until it is told to stop. Not here: the stubs (src/testing/stub). */

import { createHash } from 'node:crypto';
import { Command, Option, UsageError } from 'clipanion';
import { port as portKind } from '../config/values.js';
import { loadKnownPeers } from '../testing/known-peers.js';
import type { StubModule } from '../testing/stub/fault.js';
import { faultsOf } from '../testing/stub/faults.js';
import { loadScript } from '../testing/stub/script.js';
import { startStub } from '../testing/stub/start-stub.js';
import { PeerCommand } from './command.js';

const KX_PORT = 3001;

export class TestStubCommand extends PeerCommand {
  static override paths = [['test', 'stub']];
  static override usage = Command.Usage({
    category: 'Testing',
    description: 'run a stub of a DHT or KX: in memory, from a script, or with a fault',
    examples: [
      ['A DHT to develop a module against', '$0 test stub dht --port 3086'],
      ['A KX that answers from a script', '$0 test stub kx --port 3087 --script answers.yaml'],
      ['A DHT that ignores TTLs', '$0 test stub dht --port 3086 --fault ttl-ignored'],
      ['Which faults are there?', '$0 test stub kx --list-faults'],
    ],
  });

  module = Option.String({ name: 'dht|kx' });
  host = Option.String('--hostname', '127.0.0.1', { description: 'address to listen on' });
  port = Option.String('--port', { description: 'port to listen on; 0: the system chooses' });
  script = Option.String('--script', { description: 'file with canned answers, JSON or YAML' });
  fault = Option.String('--fault', { description: 'a fault to have' });
  peers = Option.String('--peers', {
    description: 'file with the peers that a TRACE finds, target first; JSON or YAML',
  });
  listFaults = Option.Boolean('--list-faults', false, { description: 'list the faults and end' });

  override async perform(): Promise<undefined> {
    const module = moduleNamed(this.module);
    if (this.listFaults) {
      const faults = faultsOf(module).map(({ name, what, caughtBy }) => ({
        name,
        what,
        check: caughtBy(module),
      }));
      this.print(
        faults,
        faults.map(({ name, what, check }) => `${name.padEnd(34)}${what} (${check})`).join('\n'),
      );
      return undefined;
    }
    const port = this.port === '0' ? 0 : portKind.parse(this.port ?? '');
    if (port === undefined) throw new UsageError('give the port to listen on by --port, from 0 to 65535');
    const { script: file, fault, host, peers } = this;
    const stub = await startStub({
      ...{ module, host, port },
      hops: peers === undefined ? standIns(host) : await loadKnownPeers(peers),
      ...(file === undefined ? {} : { script: await loadScript(file) }),
      ...(fault === undefined ? {} : { fault }),
      tell: (text) => this.progress(text),
    });
    const kind = fault === undefined ? 'stub' : `stub with the fault ${fault}`;
    this.print(
      { listening: { host, port: stub.port } },
      `${module} ${kind} listening on ${host}:${stub.port}`,
    );
    await new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
    });
    await stub.close();
    return undefined;
  }
}

/** Throws UsageError. */
export function moduleNamed(name: string): StubModule {
  if (name === 'dht' || name === 'kx') return name;
  throw new UsageError(`expected dht or kx, not ${name}`);
}

/** The stub itself, then two more at addresses that nobody has (RFC 5737). */
function standIns(host: string) {
  const own = /^\d+(\.\d+){3}$/.test(host) ? host : '127.0.0.1';
  return [own, '192.0.2.1', '192.0.2.2'].map((address, index) => ({
    identity: createHash('sha256').update(`stub ${index}`).digest(),
    kxPort: KX_PORT,
    ipv4: Buffer.from(address.split('.').map(Number)),
    ipv6: null,
  }));
}

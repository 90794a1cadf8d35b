/**
 * Role: `peer test conformance`: does a DHT or KX do what the specification asks for?
 *
 * Invariants: exit code 0 where all that counts holds, 1 where something does not, 127 where there is nothing to be tested.
 *
 * Not here: the checks (src/testing/conformance).
 */

import { writeFile } from 'node:fs/promises';
import { Command, Option, UsageError } from 'clipanion';
import type { HostPort } from '../config/config.js';
import { hostPort } from '../config/values.js';
import { PeerError } from '../errors.js';
import type { BenchOptions } from '../testing/conformance/bench.js';
import type { TestedModule } from '../testing/conformance/check.js';
import { junitOf, lineOf, makeReport, summaryOf } from '../testing/conformance/report.js';
import { checksOf, runChecks } from '../testing/conformance/run-checks.js';
import { startTarget } from '../testing/conformance/started-target.js';
import { loadKnownPeers } from '../testing/known-peers.js';
import { PeerCommand } from './command.js';
import { moduleNamed } from './test-stub.js';

/** Exit code where the target cannot be reached or started. */
const EXIT_UNSUPPORTED = 127;
const EXIT_INTERRUPTED = 130;
const DEFAULT_PORT = { dht: 3086, kx: 3087 } as const;
/** Tunnels take longer than lookups. */
const PATIENCE_SECONDS = { dht: 10, kx: 30 } as const;
const TTL_GRACE_MS = 5_000;
const START_MS = 60_000;

interface Target {
  readonly host: string;
  readonly port: number;
  end(): Promise<void>;
}

export class TestConformanceCommand extends PeerCommand {
  static override paths = [['test', 'conformance']];
  static override usage = Command.Usage({
    category: 'Testing',
    description: 'check a DHT or KX against the specification',
    details: `
      Addresses select checks: \`dht/3.1.3\` stands for all whose address begins so. Without any, all are run.

      Exit code: 0 all that is required holds, 1 something does not, 127 the module cannot be reached or started.
    `,
    examples: [
      ['A DHT that runs', '$0 test conformance dht --target 127.0.0.1:3086'],
      ['A DHT that is started for it', '$0 test conformance dht --command "peer dht -c {config}"'],
      ['One in a container', '$0 test conformance dht --container "example/dht -c {config}"'],
      ['Only what concerns TRACE', '$0 test conformance dht --target 127.0.0.1:3086 dht/3.1.3 dht/3.1.5'],
      ['A KX among known peers', '$0 test conformance kx --target 127.0.0.1:3087 --peers peers.json'],
      ['Which checks are there?', '$0 test conformance kx --list'],
    ],
  });

  module = Option.String({ name: 'dht|kx' });
  addresses = Option.Rest({ name: 'ADDRESS' });
  target = Option.String('--target', { description: 'HOST:PORT where the module listens for API clients' });
  command = Option.String('--command', {
    description: 'starts the module; {config} stands for the config file',
  });
  container = Option.String('--container', {
    description: 'runs the module in a container: an image and arguments for it; {config} as above',
  });
  hostkey = Option.String('--hostkey', {
    description: 'with --command or --container: a hostkey (PEM) instead of a fresh one',
  });
  bootstrap = Option.Array('--bootstrap', [], {
    description: 'with --command or --container: host:port of a peer to start from (may be repeated)',
  });
  peers = Option.String('--peers', {
    description: 'file with what is known of the other peers, JSON or YAML',
  });
  others = Option.Array('--other', [], {
    description: 'HOST:PORT of another module in the same network (may be repeated)',
  });
  list = Option.Boolean('--list', false, { description: 'list the checks and end' });
  strict = Option.Boolean('--strict', false, { description: 'what is only recommended counts too' });
  junit = Option.String('--junit', { description: 'write JUnit XML to this file too' });
  patience = Option.String('--patience', { description: 'seconds that an answer may take' });
  quiet = Option.String('--quiet', '0.5', { description: 'seconds of silence that are no answer' });
  ttl = Option.String('--ttl', '3', { description: 'seconds of TTL whose end is waited for' });
  atOnce = Option.String('--at-once', '4', { description: 'checks at the same time' });

  override async perform(): Promise<number> {
    const module = moduleNamed(this.module);
    const checks = checksOf(module, this.addresses);
    if (this.list) {
      const listed = checks.map(({ address, level, text }) => ({ address, level, text }));
      this.print(
        listed,
        listed.map(({ address, level, text }) => `${address}  ${text} (${level})`).join('\n'),
      );
      return 0;
    }
    const limits = {
      patienceMs: seconds('--patience', this.patience ?? String(PATIENCE_SECONDS[module])) * 1000,
      quietMs: seconds('--quiet', this.quiet) * 1000,
      ttlGraceMs: TTL_GRACE_MS,
      ttlSeconds: Math.ceil(seconds('--ttl', this.ttl)),
      peers: this.peers === undefined ? [] : await loadKnownPeers(this.peers),
      others: this.others.map((text) => endpointOf(text, module)),
    };
    const atOnce = Math.ceil(seconds('--at-once', this.atOnce));
    const target = await this.#target(module).catch((error: unknown) => this.#unsupported(error));
    if (target === null) return EXIT_UNSUPPORTED;
    try {
      const options: BenchOptions = { module, host: target.host, port: target.port, ...limits };
      const results = await runChecks(checks, options, atOnce, (result) => {
        if (!this.json) this.context.stdout.write(`${lineOf(result)}\n`);
      });
      const report = makeReport(module, `${target.host}:${target.port}`, this.strict, results);
      if (this.junit !== undefined) await writeFile(this.junit, junitOf(report));
      this.print(report, summaryOf(report));
      return report.conforms ? 0 : 1;
    } catch (error) {
      this.#unsupported(error);
      return EXIT_UNSUPPORTED;
    } finally {
      await target.end();
    }
  }

  async #target(module: TestedModule): Promise<Target> {
    const { target, container, hostkey, bootstrap } = this;
    const command = this.command ?? container;
    if ([target, this.command, container].filter((given) => given !== undefined).length !== 1) {
      throw new UsageError(
        'give one of --target HOST:PORT, --command "… {config}" and --container "IMAGE … {config}"',
      );
    }
    if (command !== undefined) {
      if (!command.includes('{config}')) throw new UsageError('the command must have {config} in it');
      this.progress('starting the module …');
      return startTarget({
        ...{ module, command, bootstrap, patienceMs: START_MS, onStarted: endOnSignals },
        inContainer: container !== undefined,
        ...(hostkey === undefined ? {} : { hostkey }),
      });
    }
    return { ...endpointOf(target ?? '', module), end: async () => {} };
  }

  /** Tells why there is nothing to be tested; throws what is something else. */
  #unsupported(error: unknown): null {
    if (!(error instanceof PeerError) || error.code !== 'target-unreachable') throw error;
    const { code, message } = error;
    if (this.json) this.context.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    else this.context.stderr.write(`peer: ${message}\n`);
    return null;
  }
}

function endpointOf(text: string, module: TestedModule): HostPort {
  const endpoint = hostPort(DEFAULT_PORT[module]).parse(text);
  if (endpoint === undefined) throw new UsageError(`expected host:port, not ${text}`);
  return endpoint;
}

function endOnSignals(end: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit(EXIT_INTERRUPTED)));
  }
}

function seconds(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 3_600) {
    throw new UsageError(`${option} expects a number above 0, not ${text}`);
  }
  return value;
}

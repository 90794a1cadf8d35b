/** Role: `peer metrics`: serves figures of this peer's modules for Prometheus. Not here: which (src/metrics). */

import { Command, Option, UsageError } from 'clipanion';
import { hostPort } from '../config/values.js';
import { Metrics, type Statuses } from '../metrics/metrics.js';
import { serveMetrics } from '../metrics/metrics-server.js';
import { ConfigCommand } from './command.js';
import { statusesOf } from './status.js';

const DEFAULT_PORT = 9464;

export class MetricsCommand extends ConfigCommand {
  static override paths = [['metrics']];
  static override usage = Command.Usage({
    category: 'Modules',
    description: 'serve figures of the modules for Prometheus, on loopback, until Ctrl-C',
    details: `
      Nothing is served unless this runs. What is told says nothing of calls, tunnels, look-ups or pseudo-identities of this peer.
    `,
    examples: [
      ['At http://127.0.0.1:9464/metrics', '$0 metrics -c peer.ini'],
      ['At another port', '$0 metrics -c peer.ini --listen 127.0.0.1:9500'],
    ],
  });

  listen = Option.String('--listen', `127.0.0.1:${DEFAULT_PORT}`, {
    description: 'loopback address and port; port 0: the system chooses',
  });

  override async perform(): Promise<undefined> {
    const config = this.loadConfig();
    const wanted = /:0$/.test(this.listen)
      ? { host: this.listen.slice(0, -2), port: 0 }
      : hostPort(DEFAULT_PORT).parse(this.listen);
    if (wanted === undefined) throw new UsageError(`--listen: expected HOST:PORT, not ${this.listen}`);
    const metrics = new Metrics();
    const text = async () => {
      const answers = await statusesOf(config);
      const statuses: Statuses = Object.fromEntries(
        Object.entries(answers).map(([module, { running, value }]) => [module, running ? value : null]),
      );
      return metrics.text(statuses);
    };
    const { host } = wanted;
    const server = await serveMetrics(host, wanted.port, text, metrics.registry.contentType);
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}/metrics`;
    this.print({ url }, `metrics at ${url}`);
    await new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
    });
    await server.close();
    return undefined;
  }
}

/**
 * Role: what operators may watch of a peer, in Prometheus' form, made of what the modules say of themselves.
 *
 * Invariants: only what is named here goes out. Nothing of the own calls, tunnels, look-ups and pseudo-identities is among it: whoever
 * reads the figures, or the place that they are sent to, learns neither who talks to whom nor when somebody talks at all.
 *
 * Not here: HTTP (metrics-server.ts), the modules' status itself.
 */

import { Counter, Gauge, Registry } from 'prom-client';
import type { ModuleName } from '../config/config.js';

/** What a module answered to `status`; null: it does not run. */
export type Statuses = Readonly<Partial<Record<ModuleName, unknown>>>;

/** Counters that say nothing of this peer's own look-ups and tunnels; what is not among them, a new one for instance, stays here. */
const TOLD = {
  dht: /^(datagrams|bytes|requests|handshakes|streams|drop|replicas|stores|onionsRelayed$|onionsServed$|internalErrors$)/,
  kx: /^(datagrams_|cookies_|handshakes_|links_|identities_|cells_|circuits_(relayed|refused|over_limit)$|registrations|takeovers$|splices|puzzles_)/,
} as const;

export class Metrics {
  readonly registry = new Registry();
  readonly #up = this.#gauge('peer_up', 'whether the module runs', ['module']);
  readonly #uptime = this.#gauge('peer_uptime_seconds', 'since when the module runs', ['module']);
  readonly #events = this.#counter('peer_events_total', 'what happened, by name; see peer status', [
    'module',
    'event',
  ]);
  readonly #violations = this.#counter('peer_api_violations_total', 'API connections closed by us', [
    'module',
    'reason',
  ]);
  readonly #connections = this.#gauge('peer_api_connections', 'open API connections', ['module']);
  readonly #contacts = this.#gauge('peer_dht_contacts', 'peers in the routing table');
  readonly #keys = this.#gauge('peer_dht_stored_keys', 'keys that something is stored under');
  readonly #bytes = this.#gauge('peer_dht_stored_bytes', 'bytes that are stored');
  readonly #links = this.#gauge('peer_kx_links', 'links to other peers');
  readonly #relayed = this.#gauge('peer_kx_relayed_circuits', 'circuits of others that go through this peer');

  /** The text that Prometheus reads. */
  async text(statuses: Statuses): Promise<string> {
    this.registry.resetMetrics();
    for (const module of ['dht', 'kx', 'voip'] as const) {
      if (!(module in statuses)) continue;
      const status = statuses[module];
      this.#up.set({ module }, status === null ? 0 : 1);
      set(this.#uptime, numberAt(status, 'uptimeSeconds'), { module });
      this.#api(module, at(status, 'state', 'api'));
    }
    this.#dht(at(statuses.dht, 'state', 'node'));
    this.#kx(at(statuses.kx, 'state', 'engine'));
    return this.registry.metrics();
  }

  #api(module: ModuleName, api: unknown): void {
    set(this.#connections, numberAt(api, 'connectionsOpen'), { module });
    for (const [reason, count] of numbersOf(at(api, 'violations')))
      this.#violations.inc({ module, reason }, count);
    for (const event of ['connectionsRefused', 'connectionsDisplaced']) {
      const count = numberAt(api, event);
      if (count !== null) this.#events.inc({ module, event }, count);
    }
  }

  #dht(node: unknown): void {
    set(this.#contacts, numberAt(node, 'contacts'));
    set(this.#keys, numberAt(at(node, 'store'), 'keys'));
    set(this.#bytes, numberAt(at(node, 'store'), 'bytes'));
    this.#counted('dht', at(node, 'counters'));
  }

  #kx(engine: unknown): void {
    set(this.#links, numberAt(engine, 'links'));
    set(this.#relayed, numberAt(engine, 'relayed'));
    this.#counted('kx', at(engine, 'counters'));
  }

  #counted(module: keyof typeof TOLD, counters: unknown): void {
    for (const [event, count] of numbersOf(counters))
      if (TOLD[module].test(event)) this.#events.inc({ module, event }, count);
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}

function set(gauge: Gauge, value: number | null, labels: Record<string, string> = {}): void {
  if (value !== null) gauge.set(labels, value);
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

function numberAt(value: unknown, name: string): number | null {
  const found = at(value, name);
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}

function numbersOf(value: unknown): [string, number][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] >= 0,
  );
}

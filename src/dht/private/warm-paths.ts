/**
 * Paths made ready ahead of any request: each has carried an onion that asked for nothing.
 *
 * So the sessions along it are there, hops that are away were found before anybody waited for them, and the moment at
 * which a path is chosen says nothing about a request. Each path is used for one request. Invariants: bounded; a path is
 * used within its time and only while none of its hops is suspected; probes follow a schedule, not requests, so one that
 * fails is not tried again at once. Not here: the choice (paths.ts).
 */
import type { Contact } from '../contact.js';
import { type RunParts, runOnion } from './onion-run.js';
import { NO_NEEDS, type PathNeeds, type Paths } from './paths.js';

const READY = 2;
const LIFE_MS = 600_000;
const PROBE_BOUND_MS = 5_000;

interface Ready {
  readonly path: readonly Contact[];
  readonly untilMs: number;
}

export class WarmPaths {
  #ready: Ready[] = [];
  #probing = false;

  constructor(
    readonly paths: Paths,
    readonly run: () => RunParts,
  ) {}

  get size(): number {
    return this.#ready.length;
  }

  /** A path that is ready and fits, else a fresh one; null where there is none. */
  choose(needs: PathNeeds): readonly Contact[] | null {
    this.#forgetOld();
    // A first hop that is passed over by now takes its ready paths along.
    const first = this.#ready.length > 0 ? this.paths.firstHop(needs.avoidFirst) : null;
    const fits = (path: readonly Contact[]) =>
      path.length === this.paths.hops &&
      path[0]?.id === first?.id &&
      !needs.avoidExit.has((path.at(-1) as Contact).id) &&
      !path.slice(1, -1).some(({ id }) => needs.avoidSecond.has(id));
    const found = this.#ready.find(({ path }) => fits(path));
    this.#ready = this.#ready.filter((one) => one !== found);
    return found?.path ?? this.paths.choose(needs);
  }

  /** Makes one more path ready, where there are too few. */
  async refresh(): Promise<void> {
    this.#forgetOld();
    if (this.#probing || !this.paths.settled || this.#ready.length >= READY) return;
    const parts = this.run();
    const path = this.paths.choose({
      ...NO_NEEDS,
      avoidExit: new Set(this.#ready.map(({ path: other }) => (other.at(-1) as Contact).id)),
    });
    if (!path) return;
    this.#probing = true;
    const { ended } = await runOnion(parts, path, { kind: 'probe' }, PROBE_BOUND_MS);
    this.#probing = false;
    const { random } = parts.network.parts;
    const untilMs = parts.network.now + LIFE_MS * (0.5 + random.fraction() / 2);
    if (ended) this.#ready.push({ path, untilMs });
  }

  #forgetOld(): void {
    const { now } = this.run().network;
    const { suspects } = this.paths;
    this.#ready = this.#ready.filter(
      ({ path, untilMs }) => untilMs > now && !path.some((contact) => suspects.has(contact, now)),
    );
  }
}

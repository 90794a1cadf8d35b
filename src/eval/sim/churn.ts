/**
 * Role: peers that come and go: sessions of exponentially distributed length, each departure followed by an arrival.
 *
 * A peer goes without a word. In its place comes, after a while, either itself again (same identity and address,
 * nothing kept) or a newcomer; the number of peers stays about the same. The first ones, everybody's HOSTLIST, stay.
 */
import type { HonestPeer, Simulation } from './simulation.js';

export interface ChurnOptions {
  readonly medianSessionMs: number;
  /** Mean time from a departure to the arrival that follows it. */
  readonly gapMs: number;
  /** Share of the departures after which the same peer comes again, 0 to 1. */
  readonly restarts: number;
  /** How many of the first peers stay. */
  readonly staying: number;
}

export class Churn {
  departures = 0;
  arrivals = 0;
  #running = true;
  /** What peers that are gone have counted, so that totals over the run can be told. */
  readonly gone = { bytesOut: 0, bytesIn: 0, requestsSent: 0, lifeMs: 0 };
  readonly #since = new Map<HonestPeer, number>();

  constructor(
    readonly simulation: Simulation,
    readonly options: ChurnOptions,
  ) {}

  start(): void {
    for (const [index, peer] of this.simulation.honest.entries())
      this.#live(peer, index >= this.options.staying);
  }

  stop(): void {
    this.#running = false;
  }

  /** Totals over all peers that have been there since the start, and how long they have been there together. */
  totals(): { bytesOut: number; bytesIn: number; requestsSent: number; lifeMs: number } {
    const totals = { ...this.gone };
    for (const peer of this.#since.keys()) this.#add(totals, peer);
    return totals;
  }

  #add(totals: Churn['gone'], peer: HonestPeer): void {
    const { counters } = peer.node;
    totals.bytesOut += counters.get('bytesOut');
    totals.bytesIn += counters.get('bytesIn');
    totals.requestsSent += counters.get('requestsSent');
    totals.lifeMs += this.simulation.clock.now() - (this.#since.get(peer) as number);
  }

  #live(peer: HonestPeer, goes: boolean): void {
    const { clock, random } = this.simulation;
    this.#since.set(peer, clock.now());
    const meanMs = this.options.medianSessionMs / Math.LN2;
    if (goes) clock.setTimer(random.exponential(meanMs), () => this.#depart(peer));
  }

  #depart(peer: HonestPeer): void {
    if (!this.#running) return;
    const { simulation, options } = this;
    const { clock, random } = simulation;
    this.departures += 1;
    this.#add(this.gone, peer);
    this.#since.delete(peer);
    simulation.remove(peer);
    const again = random.fraction() < options.restarts;
    clock.setTimer(random.exponential(options.gapMs), () => {
      if (!this.#running) return;
      this.arrivals += 1;
      const newcomer = again ? simulation.addHonest(peer.contact, peer.host.place) : simulation.addHonest();
      newcomer.node.start(false);
      this.#live(newcomer, true);
    });
  }
}

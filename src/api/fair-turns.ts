/**
 * Role: in which order the requests of many clients are begun, and how many at a time.
 *
 * Every other turn is that of the client that has asked for the least since it had nothing to ask; the turns between go round,
 * to the one that has had the fewest (start-time fair queueing). So a client that asks now and then does not wait behind
 * hundreds that ask for much at once, and none is starved.
 *
 * Nor does it share the process with all that these want: a request of a client that asks for several at once is begun only
 * where the process has been idle for half of the time since the last such one (Leisure). A process that is always busy
 * answers nobody soon.
 *
 * Invariants: at most `limit` requests are in work; those of one client begin in their order; none is forgotten but those of
 * clients that are gone, and of these not the ones that are to be done all the same, up to MOST_LEFT.
 *
 * Not here: how many requests of one client may wait (connection.ts).
 */

import { type EventLoopUtilization, performance } from 'node:perf_hooks';

export type Job = () => Promise<void>;

interface Waiting {
  readonly run: Job;
  readonly outlivesClient: boolean;
}

interface Line {
  jobs: Waiting[];
  /** Turns had since it has been here, on top of those that all had before it came. */
  served: number;
  /** Requests since it has been here. */
  asked: number;
  working: number;
  /** Its client is gone. */
  isLeft: boolean;
}

/** Whether the process has had little to do since it last began something that could wait. */
export interface Leisure {
  enough(): boolean;
  begin(): void;
}

const MOST_BUSY = 0.5;
/** Then something is begun however busy it is. */
const LONGEST_MS = 20;
const LOOK_AGAIN_MS = 1;
/** Requests of clients that are gone; each may hold 64 KB. */
const MOST_LEFT = 256;

export class LoopLeisure implements Leisure {
  #since: EventLoopUtilization = performance.eventLoopUtilization();

  enough(): boolean {
    const { utilization, idle, active } = performance.eventLoopUtilization(this.#since);
    return utilization < MOST_BUSY || idle + active > LONGEST_MS;
  }

  begin(): void {
    this.#since = performance.eventLoopUtilization();
  }
}

export class FairTurns<Client> {
  /** Clients that wait or have something in work. */
  readonly #lines = new Map<Client, Line>();
  /** How far turns have come: `served` of the last client that had one. */
  #now = 0;
  #working = 0;
  /** Requests that wait though their clients are gone. */
  #left = 0;
  #turn = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    readonly limit: number,
    readonly leisure: Leisure = new LoopLeisure(),
  ) {}

  get waiting(): number {
    let count = 0;
    for (const { jobs } of this.#lines.values()) count += jobs.length;
    return count;
  }

  /** Begins `run` when it is this client's turn, also where the client is gone by then if it is to outlive it. Jobs must not reject. */
  add(client: Client, run: Job, outlivesClient = false): void {
    let line = this.#lines.get(client);
    if (line === undefined) {
      line = { jobs: [], served: this.#now, asked: 0, working: 0, isLeft: false };
      this.#lines.set(client, line);
    }
    line.jobs.push({ run, outlivesClient });
    line.asked += 1;
    this.#schedule();
  }

  /** Who waits for the most things, if anybody for more than one. */
  greediest(): Client | null {
    let most = 1;
    let found: Client | null = null;
    for (const [client, { jobs, isLeft }] of this.#lines) {
      if (isLeft || jobs.length <= most) continue;
      most = jobs.length;
      found = client;
    }
    return found;
  }

  /** The client is gone. */
  remove(client: Client): void {
    const line = this.#lines.get(client);
    if (line === undefined || line.isLeft) return;
    line.isLeft = true;
    line.jobs = line.jobs.filter(({ outlivesClient }) => outlivesClient).slice(0, MOST_LEFT - this.#left);
    this.#left += line.jobs.length;
    this.#dropIfDone(client, line);
  }

  #dropIfDone(client: Client, line: Line): void {
    if (line.working === 0 && line.jobs.length === 0) this.#lines.delete(client);
  }

  #schedule(): void {
    if (this.#scheduled || this.#working >= this.limit) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const next = this.#next();
      if (next === 'later') this.#timer ??= setTimeout(() => this.#lookAgain(), LOOK_AGAIN_MS);
      else if (next !== null) this.#begin(...next);
    });
  }

  #lookAgain(): void {
    this.#timer = null;
    this.#schedule();
  }

  /** Null: nobody waits. */
  #next(): [Client, Line] | 'later' | null {
    const isSingle = ({ asked }: Line) => asked === 1;
    const rank = this.#turn % 2 === 0 ? (line: Line) => line.asked : (line: Line) => line.served;
    const next = this.#least(rank, () => true);
    if (next === null || isSingle(next[1]) || this.leisure.enough()) return next;
    return this.#least(rank, isSingle) ?? 'later';
  }

  #least(rank: (line: Line) => number, counts: (line: Line) => boolean): [Client, Line] | null {
    let least: [Client, Line] | null = null;
    for (const entry of this.#lines) {
      const [, line] = entry;
      if (line.jobs.length === 0 || !counts(line)) continue;
      if (least === null || rank(line) < rank(least[1])) least = entry;
    }
    return least;
  }

  #begin(client: Client, line: Line): void {
    const job = line.jobs.shift();
    if (job === undefined) return;
    if (line.isLeft) this.#left -= 1;
    if (line.asked > 1) this.leisure.begin();
    this.#turn += 1;
    this.#now = Math.max(this.#now, line.served);
    line.served += 1;
    line.working += 1;
    this.#working += 1;
    void job.run().finally(() => {
      line.working -= 1;
      this.#working -= 1;
      this.#dropIfDone(client, line);
      this.#schedule();
    });
    this.#schedule();
  }
}

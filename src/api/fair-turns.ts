/**
 * Role: in which order the requests of many clients are begun, and how many at a time.
 *
 * Every other turn is that of the client that has asked for the least since it began to wait; the turns between go round, to
 * the one that has had the fewest (start-time fair queueing). So a client that asks now and then does not wait behind hundreds
 * that ask for much at once, and none is starved.
 *
 * One request is begun in a turn of the event loop. Where these turns have become long, requests keep the process busy, and
 * more of them at a time would only make each slower: then few are in work. Where they wait for the network, many are.
 *
 * Invariants: at most `limit` requests are in work; those of one client begin in their order; none is forgotten but those of
 * clients that are gone.
 *
 * Not here: how many requests of one client may wait (connection.ts).
 */

export type Job = () => Promise<void>;

interface Line {
  readonly jobs: Job[];
  /** Turns had since it has been waiting, on top of those that all had before it came. */
  served: number;
  /** Requests since it has been waiting. */
  asked: number;
}

/** A turn of the event loop that takes longer shows that the process is busy. */
const LONG_TURN_MS = 2;
/** Requests in work at the same time all the same. */
const FEW = 3;

export class FairTurns<Client> {
  /** Clients that wait. */
  readonly #lines = new Map<Client, Line>();
  /** How far turns have come: `served` of the last client that had one. */
  #now = 0;
  #working = 0;
  #turn = 0;
  #scheduled = false;

  constructor(readonly limit: number) {}

  get waiting(): number {
    let count = 0;
    for (const { jobs } of this.#lines.values()) count += jobs.length;
    return count;
  }

  /** Begins `job` when it is this client's turn. Jobs must not reject. */
  add(client: Client, job: Job): void {
    let line = this.#lines.get(client);
    if (line === undefined) {
      line = { jobs: [], served: this.#now, asked: 0 };
      this.#lines.set(client, line);
    }
    line.jobs.push(job);
    line.asked += 1;
    this.#schedule();
  }

  /** Who waits for the most things, if anybody for more than one. */
  greediest(): Client | null {
    let most = 1;
    let found: Client | null = null;
    for (const [client, { jobs }] of this.#lines) {
      if (jobs.length <= most) continue;
      most = jobs.length;
      found = client;
    }
    return found;
  }

  /** Forgets what a client waits for. */
  remove(client: Client): void {
    this.#lines.delete(client);
  }

  #schedule(): void {
    if (this.#scheduled || this.#working >= this.limit || this.#lines.size === 0) return;
    this.#scheduled = true;
    const scheduledAt = performance.now();
    setImmediate(() => {
      this.#scheduled = false;
      const isBusy = performance.now() - scheduledAt > LONG_TURN_MS;
      if (!isBusy || this.#working < FEW) this.#begin();
      this.#schedule();
    });
  }

  #begin(): void {
    this.#turn += 1;
    const rank = this.#turn % 2 === 0 ? (line: Line) => line.served : (line: Line) => line.asked;
    let next: [Client, Line] | undefined;
    for (const entry of this.#lines) {
      if (next === undefined || rank(entry[1]) < rank(next[1])) next = entry;
    }
    const job = next?.[1].jobs.shift();
    if (next === undefined || job === undefined) return;
    const [client, line] = next;
    this.#now = Math.max(this.#now, line.served);
    line.served += 1;
    if (line.jobs.length === 0) this.#lines.delete(client);
    this.#working += 1;
    void job().finally(() => {
      this.#working -= 1;
      this.#schedule();
    });
  }
}

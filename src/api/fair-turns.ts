/**
 * Role: in which order the requests of many clients are begun.
 *
 * The next turn is that of the client that has had the fewest while others waited (start-time fair queueing): a client that
 * asks now and then does not wait behind one that asks a thousand things at once. One request is begun in a turn of the event
 * loop: where requests keep the process busy these turns are long, so few requests are in work and each is quick; where they
 * wait for the network the turns are short, and many are.
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
}

export class FairTurns<Client> {
  /** Clients that wait. */
  readonly #lines = new Map<Client, Line>();
  /** How far turns have come: `served` of the last client that had one. */
  #now = 0;
  #working = 0;
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
      line = { jobs: [], served: this.#now };
      this.#lines.set(client, line);
    }
    line.jobs.push(job);
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
    setImmediate(() => {
      this.#scheduled = false;
      this.#begin();
      this.#schedule();
    });
  }

  #begin(): void {
    let next: [Client, Line] | undefined;
    for (const entry of this.#lines) if (next === undefined || entry[1].served < next[1].served) next = entry;
    const job = next?.[1].jobs.shift();
    if (next === undefined || job === undefined) return;
    const [client, line] = next;
    this.#now = line.served;
    line.served += 1;
    if (line.jobs.length === 0) this.#lines.delete(client);
    this.#working += 1;
    void job().finally(() => {
      this.#working -= 1;
      this.#schedule();
    });
  }
}

/**
 * Role: hostile peers that fill the stores of the honest ones: each PUT of theirs brings one content to the honest peers
 * closest to its key, past any search, at a rate that no limit refuses.
 *
 * What they send, in turn: noise under keys anywhere; noise under the keys of the values they are against; such noise
 * dressed as a signed value; and contents rightly signed by keys of their own, which a store cannot tell from records.
 */
import type { HostileNode } from './hostile-node.js';
import { PositionIndex } from './position-index.js';
import { type Keyed, Signer } from './signed-content.js';
import type { Simulation } from './simulation.js';

export interface JunkOptions {
  /** Contents, each to `replication` peers. */
  readonly puts: number;
  readonly putsPerSecond: number;
  readonly replication: number;
  /** As large as fits into one datagram, or less. */
  readonly contentBytes: number;
  /** Share of the contents under the keys of the victims, 0 to 1, half of them dressed as signed. */
  readonly aimed: number;
  /** Share of the contents that are signed by keys of the senders, 0 to 1. */
  readonly signed: number;
}

const TTL_MS = 43_200_000;
const MAGIC = Buffer.from('PSV1', 'ascii');
const SIGNED_OVERHEAD_BYTES = 84;
const SIGNED_FOR_MS = 86_400_000;

export class JunkSenders {
  readonly verdicts: Record<string, number> = {};

  constructor(
    readonly simulation: Simulation,
    readonly victims: readonly Keyed[],
    readonly options: JunkOptions,
  ) {}

  /** Sends everything as time goes on; resolves when the last answer is there. @param told hears after how many PUTs, now and then */
  async run(told: (puts: number) => void): Promise<void> {
    const { simulation, options } = this;
    const honest = new PositionIndex(simulation.honest.map(({ contact }) => contact));
    const senders = simulation.hostile.map(({ node }) => node);
    const items = new Array<null>(options.puts).fill(null);
    await simulation.spread(items, options.putsPerSecond, async (_, index) => {
      const { key, content } = this.#content();
      const sender = senders[index % senders.length] as HostileNode;
      const targets = honest.closest(key, options.replication);
      await Promise.all(targets.map((target) => this.#store(sender, target, { key, content })));
      if (index % 100_000 === 99_999) told(index + 1);
    });
  }

  #content(): Keyed {
    const { random, clock } = this.simulation;
    const { contentBytes, aimed, signed } = this.options;
    const dice = random.fraction();
    if (dice < signed) {
      return new Signer(random).sign(1, clock.now() + SIGNED_FOR_MS, contentBytes - SIGNED_OVERHEAD_BYTES);
    }
    const content = random.bytes(contentBytes);
    if (dice >= signed + aimed) return { key: random.bytes(32), content };
    if (dice < signed + aimed / 2) MAGIC.copy(content);
    return { key: random.pick(this.victims).key, content };
  }

  #store(sender: HostileNode, target: Parameters<HostileNode['rpc']['request']>[0], { key, content }: Keyed) {
    return new Promise<void>((resolve) => {
      const count = (verdict: string) => {
        this.verdicts[verdict] = (this.verdicts[verdict] ?? 0) + 1;
        resolve();
      };
      sender.rpc.request(
        target,
        { kind: 'store', key, content, ttlMs: TTL_MS, replication: this.options.replication },
        {
          onAnswer: (answer) => count(answer.kind === 'stored' ? answer.verdict : answer.kind),
          onFailure: (reason) => count(reason),
        },
      );
    });
  }
}

/**
 * GET through onions: gives every content as soon as an exit has it, each once, and asks a second exit where that is
 * worth it.
 *
 * A second onion goes out where the first brought nothing or nothing signed, where it failed or is slow, and by chance in
 * one GET of ten; never more than MAX_ONIONS, never beyond GET_BOUND_MS. The last one takes another first hop where nothing has come back
 * through this one. Every further exit is a further chance that a
 * colluder learns who asks (docs/decisions/0081), so the rule is no stricter than that.
 * Invariant: there is no lookup of our own: where no onion gets through, nothing is found.
 * Not here: a single onion (onion-run.ts), paths (paths.ts).
 */
import type { Contact } from '../contact.js';
import type { TimerHandle } from '../environment.js';
import { contentHash } from '../store.js';
import { ExitAnswer } from './onion-answers.js';
import { OnionRun, type RunParts } from './onion-run.js';
import type { Paths } from './paths.js';
import type { WarmPaths } from './warm-paths.js';

export interface LookupParts extends RunParts {
  readonly paths: Paths;
  readonly warm: WarmPaths;
  readonly closed: () => boolean;
}

export const GET_BOUND_MS = 12_000;
const MAX_ONIONS = 4;
/** One GET in so many is compared with another exit's answer though nothing asks for it. */
export const COMPARED_IN = 10;
/** When an exit that has not ended is joined by another. */
const SLOW_MS = 3_000;

interface Asked {
  readonly run: OnionRun;
  readonly answer: ExitAnswer;
  slow: boolean;
  timer: TimerHandle | null;
}

/** Resolves with the number of contents given to `onContent` once nothing more can come. Never rejects. */
export function privateGet(
  parts: LookupParts,
  key: Buffer,
  onContent: (content: Buffer) => void,
): Promise<number> {
  return new Promise((resolve) => new PrivateGet(parts, key, onContent, resolve).step());
}

class PrivateGet {
  readonly #asked: Asked[] = [];
  readonly #given = new Set<string>();
  readonly #compared: boolean;
  readonly #bound: TimerHandle;
  readonly #avoidFirst = new Set<string>();
  readonly #end = () => this.#finish();
  #ownGiven = false;
  #over = false;

  constructor(
    readonly parts: LookupParts,
    readonly key: Buffer,
    readonly onContent: (content: Buffer) => void,
    readonly resolve: (given: number) => void,
  ) {
    const { random, clock } = parts.network.parts;
    this.#compared = random.bytes(2).readUInt16BE() % COMPARED_IN === 0;
    this.#bound = clock.setTimer(GET_BOUND_MS, this.#end);
    parts.open.add(this.#end);
  }

  /** Looks at what there is and does what is missing. */
  step(): void {
    if (this.#over) return;
    const ended = this.#asked.filter(({ run }) => run.state === 'ended');
    const signed = this.#asked.some(({ answer }) => answer.signed);
    const wanted = signed && !this.#compared ? 1 : 2;
    if (ended.length >= wanted) {
      this.#finish();
      return;
    }
    const pending = this.#asked.filter(
      ({ run, slow }) => !slow && (run.state === 'sent' || run.state === 'begun'),
    );
    const atOnce = this.#compared || ended.length > 0 ? wanted : 1;
    if (pending.length + ended.length >= atOnce || this.#launch()) return;
    // Nobody else to ask: what is still under way is all there will be.
    if (!this.#asked.some(({ run }) => run.state === 'sent' || run.state === 'begun')) this.#finish();
  }

  #launch(): boolean {
    if (this.#asked.length >= MAX_ONIONS) return false;
    const paths = this.#asked.map(({ run }) => run.path);
    const path = this.parts.warm.choose({
      avoidFirst: this.#firstToAvoid(),
      avoidSecond: new Set(paths.flatMap((hops) => hops.slice(1, -1).map(({ id }) => id))),
      avoidExit: new Set(paths.map((hops) => (hops.at(-1) as Contact).id)),
      // A second opinion from the same exit is none.
      otherExit: this.#asked.some(({ run }) => run.state === 'ended'),
    });
    if (!path) return false;
    const { clock } = this.parts.network.parts;
    const answer = new ExitAnswer(path.at(-1) as Contact, this.key);
    const run = new OnionRun(this.parts, path, {
      onContent: (content) => {
        if (!answer.add(content, this.parts.network.now)) return;
        this.#give(content);
        this.#giveOwn();
      },
      onState: (state) => {
        const first = path[0] as Contact;
        const kind = run.fault?.kind;
        if (state === 'failed' && (kind === 'first' || kind === 'busy')) this.#avoidFirst.add(first.id);
        this.step();
      },
    });
    const asked: Asked = { run, answer, slow: false, timer: null };
    asked.timer = clock.setTimer(SLOW_MS, () => {
      asked.slow = run.state !== 'ended';
      this.step();
    });
    this.#asked.push(asked);
    run.start({ kind: 'get', key: this.key });
    this.step();
    return true;
  }

  /**
   * Whoever swallows onions is not known from one behind it that does: only after all but one were lost is it worth to let another know
   * of us, for this request.
   */
  #firstToAvoid(): ReadonlySet<string> {
    const isLast = this.#asked.length === MAX_ONIONS - 1;
    const isHeard = this.#asked.some(({ run }) => run.state === 'begun' || run.state === 'ended');
    if (!isLast || isHeard) return this.#avoidFirst;
    return new Set([...this.#avoidFirst, ...this.#asked.map(({ run }) => (run.path[0] as Contact).id)]);
  }

  /** Not before others have given something: anybody can store anything here, and whoever asks may take the first for all. */
  #giveOwn(): void {
    if (this.#ownGiven) return;
    this.#ownGiven = true;
    const { store } = this.parts.network.parts;
    for (const { content } of store.get(this.key, this.parts.network.now)) this.#give(content);
  }

  #give(content: Buffer): void {
    if (this.#over) return;
    const hash = contentHash(content).toString('latin1');
    if (this.#given.has(hash)) return;
    this.#given.add(hash);
    this.onContent(content);
  }

  #finish(): void {
    if (this.#over) return;
    this.#giveOwn();
    this.#over = true;
    const { clock } = this.parts.network.parts;
    this.parts.open.delete(this.#end);
    clock.clearTimer(this.#bound);
    for (const { run, timer } of this.#asked) {
      if (timer) clock.clearTimer(timer);
      run.close();
    }
    const ended = this.#asked.filter(({ run }) => run.state === 'ended').map(({ answer }) => answer);
    for (const one of ended) {
      if (ended.some((other) => one.isWorseThan(other))) this.parts.paths.suspect(one.exit);
    }
    // Some begin, and never end, where one that was asked later has.
    for (const [index, { run, slow, answer }] of this.#asked.entries()) {
      const isOvertaken = this.#asked.slice(index + 1).some((later) => later.run.state === 'ended');
      if (slow && run.state === 'begun' && isOvertaken) this.parts.paths.suspect(answer.exit);
    }
    this.resolve(this.#given.size);
  }
}

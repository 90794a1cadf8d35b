/**
 * Offers of contents to other nodes: a line of them for each node, of which a few are under way at a time.
 *
 * Invariants: a node that has not answered yet gets one offer, and the line of one that does not answer is dropped, so that nobody can
 * make us send much to who is not there; what waits for all together is bounded. Offers carry hashes: only what is wanted is moved.
 * Not here: what is offered to whom (replicator.ts).
 */
import type { Contact } from './contact.js';
import type { Network } from './network.js';
import type { StoredContent } from './stored-content.js';

/** Under way to one node that answers. */
const AT_ONCE = 8;
const MAX_WAITING = 16_384;

interface Line {
  readonly contact: Contact;
  readonly waiting: StoredContent[];
  underWay: number;
  answers: boolean;
}

export class OfferLines {
  readonly #lines = new Map<string, Line>();
  #waiting = 0;
  #closed = false;
  offers = 0;
  moved = 0;

  constructor(readonly network: Network) {}

  close(): void {
    this.#closed = true;
    this.#lines.clear();
  }

  add(contact: Contact, entry: StoredContent): void {
    if (this.#closed || this.#waiting >= MAX_WAITING) return;
    let line = this.#lines.get(contact.id);
    if (!line) {
      line = { contact, waiting: [], underWay: 0, answers: false };
      this.#lines.set(contact.id, line);
    }
    line.waiting.push(entry);
    this.#waiting += 1;
    this.#advance(line);
  }

  #advance(line: Line): void {
    while (line.underWay < (line.answers ? AT_ONCE : 1)) {
      const entry = line.waiting.shift();
      if (!entry) break;
      this.#waiting -= 1;
      this.#offer(line, entry);
    }
    if (line.underWay === 0 && this.#lines.get(line.contact.id) === line) this.#lines.delete(line.contact.id);
  }

  #offer(line: Line, entry: StoredContent): void {
    const { key, content, hash, replication } = entry;
    const { contact } = line;
    // It ages on its way as well: what is handed on many times may rather end a little early than late.
    const wayMs = this.network.parts.roundTrips.smoothedMs ?? 0;
    const ttlMs = () => Math.floor(entry.expiresAtMs - this.network.now - wayMs);
    if (ttlMs() <= 0) return;
    this.offers += 1;
    line.underWay += 1;
    const over = () => {
      line.underWay -= 1;
      if (!this.#closed) this.#advance(line);
    };
    this.network.request(
      contact,
      { kind: 'offer', key, ttlMs: ttlMs(), replication, size: content.length, contentHash: hash },
      {
        onAnswer: (answer) => {
          line.answers = true;
          const wanted = answer.kind === 'stored' && answer.verdict === 'wanted' && ttlMs() > 0;
          if (!wanted || this.#closed) {
            over();
            return;
          }
          this.moved += 1;
          this.network.storeAt(contact, { key, ttlMs: ttlMs(), replication, content }, over);
          this.#advance(line);
        },
        onFailure: () => {
          this.#waiting -= line.waiting.length;
          line.waiting.length = 0;
          over();
        },
      },
    );
  }
}

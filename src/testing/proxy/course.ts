/**
 * Role: one direction of a proxied connection: what comes in at one side goes by the rules into the outlet of the other.
 *
 * Invariants: while no rule concerns a message its bytes go on as they come, in the pieces in which they come; where one
 * may, the message waits until it is whole.
 *
 * Not here: sockets (connection.ts), what rules do (plan.ts).
 */

import { decodeMessage, TYPE_NUMBER } from '../../wire/message.js';
import { FrameFollower } from './frames.js';
import { type Api, messageToJson, TYPE_NAMES, type TypeName } from './message-json.js';
import type { Outlet } from './outlet.js';
import { type Cut, makePlan, type Plan } from './plan.js';
import type { Direction, Kind } from './rule.js';
import type { RuleSet } from './rule-set.js';

export interface CourseOptions {
  readonly api: Api;
  readonly connection: number;
  readonly direction: Direction;
  readonly rules: RuleSet;
  /** Where it goes, and where what is injected on the way back goes. */
  readonly outlet: Outlet;
  readonly back: Outlet;
  readonly log: (event: 'message' | 'malformed' | 'stray' | 'cut', fields: object) => void;
}

export class Course {
  readonly #options: CourseOptions;
  readonly #frames: FrameFollower;
  #index = 0;
  #over = false;

  constructor(options: CourseOptions) {
    this.#options = options;
    const { direction, rules, outlet } = options;
    this.#frames = new FrameFollower({
      holds: (type) => rules.concerns(direction, type === undefined ? undefined : kindOf(type)),
      onPiece: (piece, whole) => {
        if (!this.#over) outlet.pass(piece, whole);
      },
      onFrame: (frame, held) => this.#onFrame(frame, held),
      onStray: (bytes, reason) => {
        if (!this.#over) options.log('stray', { size: bytes.length, reason, hex: bytes.toString('hex') });
      },
    });
  }

  push(chunk: Buffer): void {
    if (!this.#over) this.#frames.push(chunk);
  }

  /** The sender has ended its side. */
  end(): void {
    if (this.#over) return;
    this.#frames.end();
    this.#options.outlet.finish();
  }

  #onFrame(frame: Buffer, held: boolean): void {
    if (this.#over) return;
    this.#index += 1;
    const { api, connection, direction, rules, back, log } = this.#options;
    const seen = look(frame, api);
    if (!held) {
      log(seen.event, seen.fields);
      return;
    }
    const occasion = { connection, direction, index: this.#index, kind: seen.kind };
    const plan = makePlan(frame, rules.decide(occasion), occasion, rules.seed);
    const sentBack = plan.back.every((injected) => back.insert(injected));
    const lost = sentBack
      ? {}
      : { lost: 'an injected message: the other direction has ended, or too much waits in it' };
    log(seen.event, plan.done.length === 0 ? seen.fields : { ...seen.fields, rules: plan.done, ...lost });
    this.#perform(plan);
  }

  #perform(plan: Plan): void {
    const { outlet } = this.#options;
    const { cut, bytes, reorder, delayMs } = plan;
    if (cut !== null) {
      const whole = bytes ?? Buffer.alloc(0);
      const share = { before: 0, inside: Math.floor(whole.length / 2), after: whole.length }[cut.place];
      if (share > 0) outlet.send([whole.subarray(0, share)], delayMs);
      this.#cut(cut.how, delayMs);
      return;
    }
    const copies = bytes === null ? [] : Array.from({ length: plan.times }, () => bytes);
    if (reorder !== null && copies.length > 0) {
      if (plan.before.length > 0) outlet.send(plan.before, delayMs);
      for (const copy of copies) outlet.hold(copy, reorder.distance, reorder.waitMs);
      if (plan.after.length > 0) outlet.send(plan.after, delayMs);
      return;
    }
    const parts = [...plan.before, ...copies, ...plan.after];
    if (parts.length > 0) outlet.send(parts, delayMs);
  }

  /** What comes behind it never leaves. */
  #cut(how: Cut, delayMs: number): void {
    this.#over = true;
    this.#options.outlet.cut(how, delayMs);
    this.#options.log('cut', { how });
  }
}

interface Seen {
  readonly kind: Kind;
  readonly event: 'message' | 'malformed';
  readonly fields: object;
}

function look(frame: Buffer, api: Api): Seen {
  const size = frame.length;
  const decoded = decodeMessage(frame);
  if (decoded.ok && decoded.message.type.startsWith(api)) {
    const { type, ...fields } = messageToJson(decoded.message);
    return { kind: type as TypeName, event: 'message', fields: { type, size, fields } };
  }
  const reason = decoded.ok ? `${decoded.message.type} is no message of the ${api} API` : decoded.violation;
  return { kind: 'malformed', event: 'malformed', fields: { size, reason, hex: frame.toString('hex') } };
}

function kindOf(type: number): Kind {
  return TYPE_NAMES.find((name) => TYPE_NUMBER[name] === type) ?? 'malformed';
}

/**
 * Role: the rules that are in force, by name and in order, and which of them apply to a message.
 *
 * Invariants: a rule decides by its own selectors, its own counts and the seed; none hears of another. `after` and `times`
 * count over all connections; `from` and `until` run from when the rule came into force.
 *
 * Not here: what a rule does (plan.ts).
 */

import type { Clock } from '../../clock.js';
import { PeerError } from '../../errors.js';
import { chance } from './chance.js';
import type { Api } from './message-json.js';
import { type Direction, type GivenRule, type Kind, parseRule, type Rule } from './rule.js';

/** Which message it is: the `index`-th of its direction on its connection, both from 1 on. */
export interface Occasion {
  readonly connection: number;
  readonly direction: Direction;
  readonly index: number;
  readonly kind: Kind;
}

interface Entry extends GivenRule {
  readonly since: number;
  seen: number;
  applied: number;
}

export interface ListedRule {
  readonly rule: Readonly<Record<string, unknown>>;
  /** Messages that its direction, types and schedule select, and to how many of them it was applied. */
  readonly seen: number;
  readonly applied: number;
}

const MOST_RULES = 256;

export class RuleSet {
  readonly seed: number;
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(api: Api, seed: number, clock: Clock, rules: readonly GivenRule[] = []) {
    this.#api = api;
    this.seed = seed;
    this.#clock = clock;
    for (const rule of rules) this.#enter(rule);
  }

  /** Errors: 'proxy-rules' (no rule), 'exists' (its name is taken), 'too-many'. */
  add(given: unknown): void {
    const rule = parseRule(given, this.#api);
    if (this.#entries.has(rule.rule.name)) {
      throw new PeerError('exists', `there is a rule with the name ${rule.rule.name} already`, {
        remedy: 'change or remove it, or give the new one another name',
      });
    }
    if (this.#entries.size >= MOST_RULES)
      throw new PeerError('too-many', `there are ${MOST_RULES} rules already`);
    this.#enter(rule);
  }

  /** Errors: 'unknown-rule'. */
  remove(name: string): void {
    this.#find(name);
    this.#entries.delete(name);
  }

  /** Puts `fields` over those of the rule, which keeps its place; null takes one away. Its counts begin anew. */
  change(name: string, fields: Readonly<Record<string, unknown>>): void {
    const merged = { ...this.#find(name).given, ...fields, name };
    const left = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
    this.#enter(parseRule(left, this.#api));
  }

  list(): ListedRule[] {
    return [...this.#entries.values()].map(({ given, seen, applied }) => ({ rule: given, seen, applied }));
  }

  /** Whether there is anything to wait for before bytes of this direction go on. */
  concerns(direction: Direction, kind?: Kind): boolean {
    for (const { rule } of this.#entries.values()) {
      if (!rule.enabled || !goes(rule, direction)) continue;
      const { types } = rule;
      // What the header calls one type may turn out malformed.
      if (kind === undefined || types === undefined || types.includes(kind) || types.includes('malformed'))
        return true;
    }
    return false;
  }

  /** The rules that apply to this message, in order; counts it. Ask once for each message. */
  decide(occasion: Occasion): Rule[] {
    const now = this.#clock.now();
    const { connection, direction, index } = occasion;
    return [...this.#entries.values()].flatMap((entry) => {
      const { rule, since } = entry;
      if (!selects(rule, occasion, (now - since) / 1_000)) return [];
      entry.seen += 1;
      if (entry.seen <= rule.after || entry.applied >= (rule.times ?? Infinity)) return [];
      if (chance(this.seed, rule.name, connection, direction, index) >= rule.probability) return [];
      entry.applied += 1;
      return [rule];
    });
  }

  #enter(rule: GivenRule): void {
    this.#entries.set(rule.rule.name, { ...rule, since: this.#clock.now(), seen: 0, applied: 0 });
  }

  #find(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new PeerError('unknown-rule', `there is no rule with the name ${name}`);
    return entry;
  }
}

function goes(rule: Rule, direction: Direction): boolean {
  return rule.direction === 'both' || rule.direction === direction;
}

function selects(rule: Rule, { direction, kind }: Occasion, seconds: number): boolean {
  if (!rule.enabled || !goes(rule, direction)) return false;
  if (rule.types !== undefined && !rule.types.includes(kind)) return false;
  return seconds >= rule.from && seconds < (rule.until ?? Infinity);
}

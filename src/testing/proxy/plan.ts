/**
 * Role: what becomes of one message by the rules that apply to it.
 *
 * Invariants: a plan follows from the message, the rules and the seed. Reserved bytes that nobody altered stay as they came.
 *
 * Not here: which rules apply (rule-set.ts), when bytes leave (outlet.ts).
 */

import * as v from 'valibot';
import { type ApiMessage, decodeMessage, encodeMessage } from '../../wire/message.js';
import { chance } from './chance.js';
import { MESSAGE_SCHEMAS, messageToJson } from './message-json.js';
import { MOST_MESSAGES, type Rule } from './rule.js';
import type { Occasion } from './rule-set.js';

export type Cut = 'reset' | 'end';

export interface Plan {
  /** As it goes on; null where it does not. */
  bytes: Buffer | null;
  /** How often it goes on, at least once. */
  times: number;
  delayMs: number;
  /** How many later messages go first, and for how long it waits for them at most. */
  reorder: { readonly distance: number; readonly waitMs: number } | null;
  readonly before: Buffer[];
  readonly after: Buffer[];
  readonly back: Buffer[];
  cut: { readonly how: Cut; readonly place: 'before' | 'inside' | 'after' } | null;
  /** What each rule did, for the log. */
  readonly done: { readonly rule: string; readonly action: string; readonly [detail: string]: unknown }[];
}

export function makePlan(frame: Buffer, rules: readonly Rule[], occasion: Occasion, seed: number): Plan {
  const plan: Plan = {
    bytes: frame,
    times: 1,
    delayMs: 0,
    reorder: null,
    before: [],
    after: [],
    back: [],
    cut: null,
    done: [],
  };
  for (const rule of rules) {
    const detail = apply(rule, plan, occasion, seed);
    plan.done.push({ rule: rule.name, action: rule.action, ...detail });
  }
  return plan;
}

/** Says what is not clear from the rule alone. */
function apply(rule: Rule, plan: Plan, occasion: Occasion, seed: number): Record<string, unknown> {
  switch (rule.action) {
    case 'drop':
      plan.bytes = null;
      return {};
    case 'delay': {
      const { connection, direction, index } = occasion;
      const part = chance(seed, rule.name, connection, direction, index, 'jitter');
      const delayMs = Math.round(rule.delayMs + part * rule.jitterMs);
      plan.delayMs += delayMs;
      return { delayMs };
    }
    case 'duplicate':
      plan.times = Math.min(plan.times + rule.copies, 1 + MOST_MESSAGES);
      return { copies: rule.copies };
    case 'reorder':
      plan.reorder = { distance: rule.distance, waitMs: rule.waitMs };
      return { distance: rule.distance };
    case 'alter':
      return applyAlter(rule, plan);
    case 'inject': {
      const { message, place, to } = rule;
      if (place === 'instead') plan.bytes = null;
      const list = to === 'back' ? plan.back : place === 'before' ? plan.before : plan.after;
      list.push(message);
      return { place, to, hex: message.toString('hex') };
    }
    case 'cut':
      plan.cut ??= { how: rule.how, place: rule.place };
      return { how: rule.how, place: rule.place };
  }
}

function applyAlter(rule: Extract<Rule, { action: 'alter' }>, plan: Plan): Record<string, unknown> {
  if (plan.bytes === null) return { altered: false };
  let bytes: Buffer = Buffer.from(plan.bytes);
  if (rule.set !== undefined) {
    const set = setFields(bytes, rule.set);
    if (set === null) return { altered: false };
    bytes = set;
  }
  for (const { at, hex } of rule.patch ?? []) hex.copy(bytes, at);
  if (rule.truncate !== undefined) bytes = bytes.subarray(0, rule.truncate);
  if (rule.append !== undefined) bytes = Buffer.concat([bytes, rule.append]);
  if (rule.fitSize && bytes.length >= 2) bytes.writeUInt16BE(Math.min(bytes.length, 0xffff), 0);
  plan.bytes = bytes;
  return { altered: true, hex: bytes.toString('hex') };
}

/** Null where the fields do not fit this message together with those it has. */
function setFields(frame: Buffer, set: Readonly<Record<string, unknown>>): Buffer | null {
  const decoded = decodeMessage(frame);
  if (!decoded.ok) return null;
  const wanted = { ...messageToJson(decoded.message), ...set };
  const parsed = v.safeParse(MESSAGE_SCHEMAS[decoded.message.type], wanted);
  const bytes = parsed.success ? encodeOrNull(parsed.output) : null;
  if (bytes === null) return null;
  // Where the frame is not as it would have been encoded, it has reserved bytes.
  const canonical = encodeMessage(decoded.message);
  for (const [index, byte] of frame.entries()) {
    if (byte !== canonical[index] && index < bytes.length) bytes[index] = byte;
  }
  return bytes;
}

function encodeOrNull(message: ApiMessage): Buffer | null {
  try {
    return encodeMessage(message);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * Role: the proxy's rules: what they may say, and how a file or a control client says it.
 *
 * Invariants: a rule that was accepted can be applied: its types belong to the API, its fields to its types, its bytes
 * fit into a message. An error names the place and what is expected, all mistakes of a file at once.
 *
 * Not here: which rule applies when (rule-set.ts), what it does (plan.ts).
 */

import * as v from 'valibot';
import { PeerError } from '../../errors.js';
import { type ApiMessage, encodeMessage, MAX_MESSAGE_BYTES, TYPE_NUMBER } from '../../wire/message.js';
import { formatOf, parseData } from '../data-text.js';
import { type Api, FIELDS, hex, MESSAGE_SCHEMAS, TYPE_NAMES, type TypeName } from './message-json.js';

export type Direction = 'to-target' | 'to-client';
/** What rules call a message: its type, or that it is none. */
export type Kind = TypeName | 'malformed';

/** Messages that one rule may hold back at once, and copies that it may make of one. */
export const MOST_MESSAGES = 16;
const MOST_RULES = 256;
const MOST_MS = 3_600_000;

const whole = (least: number, most: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const ms = whole(0, MOST_MS);
const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));

const kind = v.pipe(
  v.union([v.string(), v.number()]),
  v.transform((given) =>
    given === 'malformed' ? given : TYPE_NAMES.find((name) => name === given || TYPE_NUMBER[name] === given),
  ),
  v.check((name) => name !== undefined, `Expected "malformed" or one of ${TYPE_NAMES.join(', ')}`),
  v.transform((name) => name as Kind),
);

const common = {
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, 'Expected 1 to 64 letters, digits, ".", "-" or "_"')),
  enabled: v.optional(v.boolean(), true),
  direction: v.optional(v.picklist(['to-target', 'to-client', 'both']), 'both'),
  types: v.optional(v.pipe(v.array(kind), v.minLength(1))),
  probability: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1),
  after: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 0),
  times: v.optional(whole(1, Number.MAX_SAFE_INTEGER)),
  from: v.optional(seconds, 0),
  until: v.optional(seconds),
};

const injectedBytes = v.pipe(
  v.strictObject({ hex: hex() }),
  v.transform((given) => given.hex),
  v.check((bytes) => bytes.length > 0 && bytes.length <= MAX_MESSAGE_BYTES, 'Expected 1 to 65535 bytes'),
);
const injectedMessage = v.pipe(
  v.variant('type', Object.values(MESSAGE_SCHEMAS) as never) as v.GenericSchema<unknown, ApiMessage>,
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return encodeMessage(dataset.value);
    } catch (error) {
      addIssue({ message: (error as Error).message });
      return NEVER;
    }
  }),
);
/** A message by its fields, or any bytes. */
const injected = v.lazy(
  (given): v.GenericSchema<unknown, Buffer> =>
    typeof given === 'object' && given !== null && 'hex' in given ? injectedBytes : injectedMessage,
);

const alter = v.pipe(
  v.strictObject({
    ...common,
    action: v.literal('alter'),
    set: v.optional(v.record(v.string(), v.unknown())),
    patch: v.optional(
      v.pipe(v.array(v.strictObject({ at: whole(0, MAX_MESSAGE_BYTES - 1), hex: hex() })), v.minLength(1)),
    ),
    truncate: v.optional(whole(0, MAX_MESSAGE_BYTES - 1)),
    append: v.optional(hex()),
    fitSize: v.optional(v.boolean(), false),
  }),
  v.check(
    ({ set, patch, truncate, append }) => (set ?? patch ?? truncate ?? append) !== undefined,
    'Expected one of set, patch, truncate, append',
  ),
);

const inject = v.strictObject({
  ...common,
  action: v.literal('inject'),
  message: injected,
  /** Before or after the message that is the occasion, or in its stead. */
  place: v.optional(v.picklist(['before', 'after', 'instead']), 'after'),
  /** The way of that message, or back to where it came from. */
  to: v.optional(v.picklist(['same', 'back']), 'same'),
});

const RuleSchema = v.variant('action', [
  v.strictObject({ ...common, action: v.literal('drop') }),
  v.strictObject({ ...common, action: v.literal('delay'), delayMs: ms, jitterMs: v.optional(ms, 0) }),
  v.strictObject({
    ...common,
    action: v.literal('duplicate'),
    copies: v.optional(whole(1, MOST_MESSAGES), 1),
  }),
  v.strictObject({
    ...common,
    action: v.literal('reorder'),
    distance: v.optional(whole(1, MOST_MESSAGES), 1),
    waitMs: v.optional(ms, 1_000),
  }),
  alter,
  inject,
  v.strictObject({
    ...common,
    action: v.literal('cut'),
    how: v.optional(v.picklist(['reset', 'end']), 'reset'),
    place: v.optional(v.picklist(['before', 'inside', 'after']), 'before'),
  }),
]);

const FileSchema = v.strictObject({
  $schema: v.optional(v.string()),
  rules: v.pipe(v.array(v.unknown()), v.maxLength(MOST_RULES)),
});

export type Rule = v.InferOutput<typeof RuleSchema>;

/** A rule and how it was written, which is what a list of rules shows. */
export interface GivenRule {
  readonly rule: Rule;
  readonly given: Readonly<Record<string, unknown>>;
}

/** The rules in the text of a file. Errors: 'proxy-rules'. */
export function parseRules(text: string, file: string, api: Api): GivenRule[] {
  let json: unknown;
  try {
    json = parseData(text, file);
  } catch (error) {
    throw refusal([`${file}: no ${formatOf(file)}: ${(error as Error).message}`]);
  }
  const whole = v.safeParse(FileSchema, json);
  if (!whole.success) throw refusal(faults(file, whole.issues));
  const mistakes: string[] = [];
  const rules: GivenRule[] = [];
  for (const [index, given] of whole.output.rules.entries()) {
    const where = `${file}: rules.${index}`;
    const rule = checkRule(given, where, api, mistakes);
    if (rule === null) continue;
    if (rules.some((other) => other.rule.name === rule.rule.name))
      mistakes.push(`${where}.name: there is another rule with the name ${rule.rule.name}`);
    rules.push(rule);
  }
  if (mistakes.length > 0) throw refusal(mistakes);
  return rules;
}

/** One rule as JSON has it. Errors: 'proxy-rules'. */
export function parseRule(given: unknown, api: Api): GivenRule {
  const mistakes: string[] = [];
  const rule = checkRule(given, 'rule', api, mistakes);
  if (rule === null || mistakes.length > 0) throw refusal(mistakes);
  return rule;
}

function checkRule(given: unknown, where: string, api: Api, mistakes: string[]): GivenRule | null {
  const result = v.safeParse(RuleSchema, given);
  if (!result.success) {
    mistakes.push(...faults(where, result.issues));
    return null;
  }
  const rule = result.output;
  const foreign = rule.types?.find((type) => type !== 'malformed' && !type.startsWith(api));
  if (foreign !== undefined) mistakes.push(`${where}.types: ${foreign} is no message of the ${api} API`);
  if (rule.until !== undefined && rule.until <= rule.from)
    mistakes.push(`${where}.until: expected more than from (${rule.from}), but it is ${rule.until}`);
  if (rule.action === 'alter' && rule.set !== undefined)
    checkSet(rule.set, rule.types, `${where}.set`, mistakes);
  return { rule, given: given as Record<string, unknown> };
}

/** Each field that is set must be one of each type that the rule selects, and must fit it. */
function checkSet(
  set: Readonly<Record<string, unknown>>,
  types: readonly Kind[] | undefined,
  where: string,
  mistakes: string[],
): void {
  if (types === undefined || types.includes('malformed')) {
    mistakes.push(
      `${where}: expected types that have these fields, and not "malformed", in the rule's types`,
    );
    return;
  }
  for (const type of types as readonly TypeName[]) {
    const result = v.safeParse(v.partial(v.strictObject(FIELDS[type] as v.ObjectEntries)), set);
    if (!result.success) mistakes.push(...faults(`${where} (${type})`, result.issues));
  }
}

function faults(where: string, issues: readonly v.BaseIssue<unknown>[]): string[] {
  return issues.map((issue) => {
    const path = v.getDotPath(issue);
    return `${path === null ? where : `${where}.${path}`}: ${issue.message}`;
  });
}

function refusal(mistakes: readonly string[]): PeerError {
  return new PeerError('proxy-rules', mistakes.join('\n'), {
    remedy: 'docs/testing/proxy.md has the fields of each rule',
  });
}

/**
 * Role: what a scenario may say: a network of peers, the links between them, calls, and what must come of it.
 *
 * Invariants: what is accepted can be run, and all of it counts: a name that nothing goes by is refused.
 *
 * Not here: files and sweeps (scenario-file.ts), the run (trial.ts).
 */

import * as v from 'valibot';
import { parseConfig } from '../../config/config.js';
import { PeerError } from '../../errors.js';
import { MEASURES } from '../report/measures.js';

/** Three hops, of which the exchange point is the last, and two people. */
export const LEAST_PEERS = 5;
export const MOST_PEERS = 64;
const MOST_SPOKEN_SECONDS = 3_600;
/** As peer-wan takes them. */
const MOST_MS = 60_000;
const MOST_KBPS = 10_000_000;

/** Parameters of the peers' config file that may be chosen; the others are the network's own. */
const PARAMETERS = {
  DHT: ['REPLICATION', 'PRIVATE_LOOKUPS', 'DIVERSITY'],
  KX: ['HOPS', 'ROTATE', 'COVER', 'WORKERS', 'DIVERSITY'],
  VOIP: ['ECHO_CANCELLATION', 'BITRATE', 'FAKE_CALLS'],
} as const;
type Section = keyof typeof PARAMETERS;

const number = (least: number, most: number) =>
  v.pipe(
    v.number(`expected a number from ${least} to ${most}`),
    v.check((it) => it >= least && it <= most, `expected a number from ${least} to ${most}`),
  );
const whole = (least: number, most: number) =>
  v.pipe(
    v.number(`expected a whole number from ${least} to ${most}`),
    v.check(
      (it) => Number.isInteger(it) && it >= least && it <= most,
      `expected a whole number from ${least} to ${most}`,
    ),
  );
const milliseconds = number(0, MOST_MS);
const percent = number(0, 100);

/** As WanLinkGroup has them. */
const linkEntries = {
  delayMs: v.optional(milliseconds),
  jitterMs: v.optional(milliseconds),
  lossPercent: v.optional(percent),
  burstPackets: v.optional(number(1, 1_000)),
  rateKbps: v.optional(whole(1, MOST_KBPS)),
  queueMs: v.optional(milliseconds),
  reorderPercent: v.optional(percent),
  reorderMs: v.optional(milliseconds),
};
const link = v.strictObject(linkEntries);
export type LinkSettings = v.InferOutput<typeof link>;

const regionName = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{0,8}$/, 'expected a name of at most 9 small letters, digits and "-"'),
);

const parameter = (section: Section) =>
  v.pipe(
    v.record(
      v.picklist(PARAMETERS[section], `expected one of ${PARAMETERS[section].join(', ')}`),
      v.union([v.string(), v.number(), v.boolean()], 'expected a text, a number, true or false'),
    ),
    v.transform((table) =>
      Object.fromEntries(
        Object.entries(table).map(([name, value]) => [
          name,
          typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value),
        ]),
      ),
    ),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [name, value] of Object.entries(dataset.value)) {
        const message = parameterFault(section, name, value);
        if (message !== null) addIssue({ message, path: [keyIn(dataset.value, name)] });
      }
    }),
  );

export const STATISTICS = ['mean', 'median', 'p95', 'min', 'max'] as const;
export type StatisticName = (typeof STATISTICS)[number];
const measureNames = MEASURES.map(({ name }) => name);
const threshold = v.pipe(
  v.strictObject({
    measure: v.picklist(measureNames, `expected one of ${measureNames.join(', ')}`),
    statistic: v.picklist(STATISTICS, `expected one of ${STATISTICS.join(', ')}`),
    most: v.optional(v.number('expected a number')),
    least: v.optional(v.number('expected a number')),
  }),
  v.check(({ most, least }) => most !== undefined || least !== undefined, 'expected most, least, or both'),
);
export type Threshold = v.InferOutput<typeof threshold>;

const schema = v.strictObject({
  description: v.string('expected a text that says what it is for'),
  seed: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 1),
  repetitions: v.optional(whole(1, 100), 1),
  regions: v.record(regionName, v.strictObject({ peers: whole(1, MOST_PEERS) })),
  link: v.optional(link, {}),
  links: v.optional(v.record(regionName, v.record(regionName, link)), {}),
  calls: v.strictObject({
    pairs: v.optional(whole(1, MOST_PEERS / 2), 1),
    count: v.optional(whole(1, 1_000), 1),
    seconds: v.optional(number(1, MOST_SPOKEN_SECONDS), 20),
    from: v.optional(regionName),
    to: v.optional(regionName),
  }),
  config: v.optional(
    v.strictObject({
      DHT: v.optional(parameter('DHT'), {}),
      KX: v.optional(parameter('KX'), {}),
      VOIP: v.optional(parameter('VOIP'), {}),
    }),
    {},
  ),
  thresholds: v.optional(v.array(threshold), []),
});
type Values = v.InferOutput<typeof schema>;
/** One point of a sweep: no parameter has more than one value. */
export type Scenario = Values;

/** What is wrong, and where. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly text: string;
}

/** The scenario, or all that is wrong with it. */
export function parseScenario(value: unknown): Scenario | readonly Fault[] {
  const result = v.safeParse(schema, value);
  if (!result.success) {
    return result.issues.map((issue) => {
      const path = (issue.path ?? []).map(({ key }) => key as string | number);
      return { path, text: messageOf(issue) };
    });
  }
  const faults = contradictions(result.output);
  return faults.length === 0 ? result.output : faults;
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type !== 'strict_object') {
    const found = issue.received === 'undefined' ? '' : `, found ${issue.received}`;
    return `${issue.message}${found}`;
  }
  if (issue.expected === 'never') return 'there is no such parameter here';
  return issue.received === 'undefined' || issue.received === 'Object'
    ? 'is missing'
    : `expected a table, found ${issue.received}`;
}

/** What is wrong between parts that are right by themselves. */
function contradictions({ regions, link, links, calls, config }: Values): Fault[] {
  const faults: Fault[] = [];
  const fault = (path: Fault['path'], text: string) => faults.push({ path, text });
  const names = Object.keys(regions);
  const peers = Object.values(regions).reduce((sum, region) => sum + region.peers, 0);
  const least = Math.max(LEAST_PEERS, Number(config.KX.HOPS ?? 3) + 2);
  if (peers < least || peers > MOST_PEERS)
    fault(['regions'], `expected ${least} to ${MOST_PEERS} peers in all regions together, found ${peers}`);
  const known = (path: Fault['path'], name: string | undefined) => {
    if (name !== undefined && !names.includes(name))
      fault(path, `there is no region ${name}; expected one of ${names.join(', ')}`);
  };
  checkLink(['link'], link, fault);
  const seen = new Set<string>();
  for (const [one, others] of Object.entries(links)) {
    known(['links', one], one);
    for (const [other, settings] of Object.entries(others)) {
      const path = ['links', one, other];
      known(path, other);
      if (seen.has([one, other].sort().join())) fault(path, 'these two regions are linked above already');
      seen.add([one, other].sort().join());
      checkLink(path, { ...link, ...settings }, fault);
    }
  }
  known(['calls', 'from'], calls.from);
  known(['calls', 'to'], calls.to);
  const { from, to } = regionsOfCalls({ regions, calls });
  const wanted = from === to ? 2 * calls.pairs : calls.pairs;
  for (const name of new Set([from, to])) {
    const there = regions[name]?.peers;
    if (there !== undefined && there < wanted)
      fault(
        ['calls', 'pairs'],
        `expected at most what region ${name} has peers for: ${there}, not ${wanted}`,
      );
  }
  return faults;
}

/** Where callers and callees are: by default in the first region and the last one. */
export function regionsOfCalls({ regions, calls }: Pick<Values, 'regions' | 'calls'>) {
  const names = Object.keys(regions);
  return { from: calls.from ?? names[0] ?? '', to: calls.to ?? names.at(-1) ?? '' };
}

function checkLink(
  path: Fault['path'],
  { lossPercent = 0, burstPackets, rateKbps, queueMs, reorderPercent = 0, reorderMs }: LinkSettings,
  fault: (path: Fault['path'], text: string) => void,
): void {
  const share = lossPercent / 100;
  if (burstPackets !== undefined && share > (1 - share) * burstPackets)
    fault(
      [...path, 'burstPackets'],
      `bursts of ${burstPackets} cannot lose ${lossPercent} %: make them longer`,
    );
  if (rateKbps !== undefined && queueMs === undefined)
    fault([...path, 'rateKbps'], 'with a rate, queueMs is wanted: how long packets may wait for the line');
  if (rateKbps === undefined && queueMs !== undefined)
    fault([...path, 'queueMs'], 'a line without rateKbps has no queue');
  if (reorderPercent > 0 !== (reorderMs !== undefined))
    fault([...path, 'reorderPercent'], 'reorderPercent and reorderMs are wanted together');
}

/** What the config's own parser says against a value; null: nothing. */
function parameterFault(section: Section, name: string, value: string): string | null {
  try {
    parseConfig(`HOSTKEY = hostkey.pem\n[${section}]\n${name} = ${value}\n`, '/peer.ini');
    return null;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return error.message.replace(/^.*?: /, '');
  }
}

function keyIn(input: Record<string, unknown>, key: string): v.ObjectPathItem {
  return { type: 'object', origin: 'value', input, key, value: input[key] };
}

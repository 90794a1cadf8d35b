/**
 * Role: what conformance found, for people, as JSON and as JUnit XML.
 *
 * Invariants: the JSON is that of docs/testing/conformance.schema.json; a target's bytes cannot break the XML.
 */

import type { TestedModule } from './check.js';
import type { CheckResult } from './run-checks.js';

const WORD = { holds: 'holds', fails: 'FAILS', 'not-checked': '—' } as const;

export interface Report {
  readonly module: TestedModule;
  /** `host:port`. */
  readonly target: string;
  /** Whether recommended checks count. */
  readonly strict: boolean;
  /** Whether all that counts holds. */
  readonly conforms: boolean;
  readonly checks: readonly CheckResult[];
}

export function makeReport(
  module: TestedModule,
  target: string,
  strict: boolean,
  checks: readonly CheckResult[],
): Report {
  const counts = ({ level }: CheckResult) => strict || level === 'required';
  const conforms = !checks.some((check) => check.outcome === 'fails' && counts(check));
  return { module, target, strict, conforms, checks };
}

/** One line a check, its reason below. */
export function lineOf({ address, outcome, text, level, detail }: CheckResult): string {
  const line = `${WORD[outcome].padEnd(6)} ${address}  ${text}${level === 'recommended' ? ' (recommended)' : ''}`;
  return detail === '' ? line : `${line}\n         ${detail}`;
}

export function summaryOf({ module, target, conforms, checks, strict }: Report): string {
  const count = (outcome: CheckResult['outcome']) =>
    checks.filter((check) => check.outcome === outcome).length;
  const failing = checks.filter(({ outcome }) => outcome === 'fails');
  const recommended = failing.filter(({ level }) => level === 'recommended').length;
  return [
    `${module} at ${target}: ${conforms ? 'all that is required holds' : 'does not conform'}`,
    `${count('holds')} hold, ${count('fails')} do not (${recommended} of them ${strict ? 'recommended, which count too' : 'only recommended'}), ${count('not-checked')} could not be checked`,
  ].join('; ');
}

/** As CI services read it: one test case a check; recommended ones that do not count are skipped with their reason. */
export function junitOf({ module, target, strict, checks }: Report): string {
  const counts = ({ level }: CheckResult) => strict || level === 'required';
  const cases = checks.map((check) => {
    const [, section = '', name = ''] = check.address.split('/');
    const head = `  <testcase classname="${module}.${section}" name="${xml(name)}" time="${check.milliseconds / 1000}"`;
    if (check.outcome === 'holds') return `${head}/>`;
    const what = check.outcome === 'fails' && counts(check) ? 'failure' : 'skipped';
    return `${head}><${what} message="${xml(`${check.text}: ${check.detail}`)}"/></testcase>`;
  });
  const failures = checks.filter((check) => check.outcome === 'fails' && counts(check)).length;
  const skipped = checks.filter(({ outcome }) => outcome !== 'holds').length - failures;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${xml(`${module} at ${target}`)}" tests="${checks.length}" failures="${failures}" skipped="${skipped}">`,
    ...cases,
    '</testsuite>',
    '',
  ].join('\n');
}

function xml(text: string): string {
  const names: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none of them.
  return text.replace(/[\u0000-\u001f]/g, ' ').replace(/[<>&"]/g, (sign) => names[sign] ?? '');
}

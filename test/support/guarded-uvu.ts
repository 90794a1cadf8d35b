/**
 * Role: stands in for `uvu` in test processes that the runner starts, and guards against its traps: a
 * rejection with something that is no Error passes as `0 / n`; so does a hook that throws; tests have no
 * timeouts; a suite without `.run()` is silently left out.
 *
 * Invariants: every declared test ends up in the report exactly once, as passed, failed or skipped; one that
 * never ran has failed. The report is on disk after each test, so that a killed process has one too.
 *
 * Not here: how it is put in the place of uvu (guard-hooks.ts), processes (runner.ts).
 */

import { writeFileSync } from 'node:fs';
import * as uvu from 'uvu';
import { skipReason } from './skip.js';

export interface TestResult {
  readonly name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  detail: string;
}

const REPORT = process.env.PEER_TEST_REPORT;
const TIMEOUT_MS = Number(process.env.PEER_TEST_TIMEOUT_MS ?? 60_000);
const results: TestResult[] = [];

type Context = Record<string, unknown>;
type Handler = (context: Context) => unknown;

function save(): void {
  if (REPORT !== undefined) writeFileSync(REPORT, JSON.stringify(results));
}

process.on('exit', () => {
  save();
  if (results.length === 0 || results.some(({ outcome }) => outcome === 'failed')) process.exitCode ||= 1;
});

function guardTest(name: string, handler: Handler): Handler {
  const result: TestResult = {
    name,
    outcome: 'failed',
    detail: 'never ran: is .run() missing, or .only left?',
  };
  results.push(result);
  return async (context) => {
    result.detail = 'did not finish';
    save();
    try {
      await inTime(handler, context);
      result.outcome = 'passed';
      result.detail = '';
    } catch (thrown) {
      const reason = skipReason(thrown);
      result.outcome = reason === null ? 'failed' : 'skipped';
      result.detail = reason ?? String(thrown);
      // For uvu a skipped test is one that did not throw.
      if (reason === null) throw asError(thrown);
    } finally {
      save();
    }
  };
}

function guardHook(name: string, handler: Handler): Handler {
  return async (context) => {
    try {
      await inTime(handler, context);
    } catch (thrown) {
      const error = asError(thrown);
      const reason = skipReason(thrown);
      process.stdout.write(`\n${name}: ${error.stack}\n`);
      results.push({
        name,
        outcome: reason === null ? 'failed' : 'skipped',
        detail: reason ?? String(error),
      });
      save();
      throw error;
    }
  };
}

async function inTime(handler: Handler, context: Context): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not finish in ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([handler(context), late]);
  } finally {
    clearTimeout(timer);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`thrown value is no Error: ${String(thrown)}`);
}

function wrap(inner: uvu.uvu.Test<Context>, suiteName: string): uvu.uvu.Test<Context> {
  const full = (name: string) => (suiteName === '' ? name : `${suiteName}: ${name}`);
  const hook = (kind: string, set: (handler: Handler) => void) => (handler: Handler) =>
    set(guardHook(full(kind), handler));
  const add = (target: (name: string, handler: Handler) => void) => (name: string, handler: Handler) =>
    target(name, guardTest(full(name), handler));
  const before = hook('before', (handler) => inner.before(handler as never));
  const after = hook('after', (handler) => inner.after(handler as never));
  return Object.assign(
    add((name, handler) => inner(name, handler as never)),
    {
      only: add((name, handler) => inner.only(name, handler as never)),
      skip: (name = 'a test without name') => {
        results.push({ name: full(name), outcome: 'skipped', detail: 'switched off by test.skip' });
      },
      before: Object.assign(before, {
        each: hook('before each', (handler) => inner.before.each(handler as never)),
      }),
      after: Object.assign(after, {
        each: hook('after each', (handler) => inner.after.each(handler as never)),
      }),
      run: () => inner.run(),
    },
  ) as unknown as uvu.uvu.Test<Context>;
}

export function suite(name = '', context: Context = {}): uvu.uvu.Test<Context> {
  return wrap(uvu.suite(name, context), name);
}

export const test = suite();
export const exec = uvu.exec;

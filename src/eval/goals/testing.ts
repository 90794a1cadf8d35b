/**
 * Role: the goals of the testing module: `npm run goals -- testing`.
 *
 * Not here: the runs (own-conformance.ts, stub-conformance.ts), the checks (src/testing).
 */

import { fileURLToPath } from 'node:url';
import { attacksGoal } from './attacks.js';
import { runCommand } from './command.js';
import {
  type ConformanceReport,
  type OwnConformance,
  PEERS,
  type StubConformance,
} from './conformance-results.js';
import { type Goal, type Outcome, runParts, type Tell } from './goal.js';
import { proxiedGoal } from './testing-proxied.js';

const OWN = fileURLToPath(new URL('./own-conformance.js', import.meta.url));
const STUBS = fileURLToPath(new URL('./stub-conformance.js', import.meta.url));
const LEAST_FAULTS = 20;

export const testingGoals: readonly Goal[] = [
  {
    area: 'testing',
    number: 1,
    title: `conformance: all holds at our modules and at right stubs; each of at least ${LEAST_FAULTS} seeded faults is caught by the check that names it`,
    sampleSize: `our DHT and KX among ${PEERS} real peers; a stub for each fault, a process each; all checks, recommended ones too`,
    run: (tell) => runParts([part(ownModules), part(faultyStubs)], tell),
  },
  attacksGoal,
  proxiedGoal,
];

const part = (run: Goal['run']) => ({ title: '', sampleSize: '', run });

async function ownModules(tell: Tell): Promise<Outcome> {
  tell('our own modules …');
  const { code, stdout, log } = await runCommand('testing-1-own', process.execPath, [OWN], { follow: true });
  if (code !== 0) return { passed: false, figure: `the network broke off; see ${log}` };
  return judgeOwn(JSON.parse(stdout) as OwnConformance);
}

async function faultyStubs(tell: Tell): Promise<Outcome> {
  tell('stubs …');
  const { code, stdout, log } = await runCommand('testing-1-stubs', process.execPath, [STUBS], {
    follow: true,
  });
  if (code !== 0) return { passed: false, figure: `the stubs broke off; see ${log}` };
  return judgeStubs(JSON.parse(stdout) as StubConformance[]);
}

export function judgeOwn({ dht, kx }: OwnConformance): Outcome {
  const wrong = [...notHeld(dht), ...notHeld(kx)];
  const passed = wrong.length === 0 && dht.checks.length > 0 && kx.checks.length > 0;
  const held = (report: ConformanceReport) =>
    `${report.checks.length - notHeld(report).length} of ${report.checks.length}`;
  const figure = `ours: ${held(dht)} hold at the DHT, ${held(kx)} at the KX`;
  return { passed, figure: wrong.length === 0 ? figure : `${figure}; NOT: ${wrong.join(', ')}` };
}

export function judgeStubs(stubs: readonly StubConformance[]): Outcome {
  const right = stubs.filter(({ fault }) => fault === null);
  const faulty = stubs.filter(({ fault }) => fault !== null);
  const fallen = right.flatMap(({ report }) => notHeld(report));
  const missed = faulty.filter(
    ({ check, report }) =>
      !report.checks.some(({ address, outcome }) => address === check && outcome === 'fails'),
  );
  const passed =
    right.length === 2 &&
    right.every(({ report }) => report.checks.length > 0) &&
    faulty.length >= LEAST_FAULTS &&
    fallen.length === 0 &&
    missed.length === 0;
  return {
    passed,
    figure: [
      `stubs: ${faulty.length - missed.length} of ${faulty.length} faults caught by the check that names them`,
      `${fallen.length} false alarms at right ones`,
      ...missed.map(({ module, fault }) => `MISSED ${module} ${fault}`),
      ...fallen.map((address) => `FALSE ${address}`),
    ].join('; '),
  };
}

function notHeld({ checks }: ConformanceReport): string[] {
  return checks.filter(({ outcome }) => outcome !== 'holds').map(({ address }) => address);
}

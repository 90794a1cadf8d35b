/**
 * Role: a part of the goal `kx 3`: one tunnel's end, from TUN device to wire, beside wireguard-go in its place.
 *
 * Not here: the two networks and what is poured into them (tunnel-end.ts).
 */

import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import type { Outcome, Part, Tell } from './goal.js';
import { PACKET_BYTES, type PourRound } from './tunnel-end-results.js';

const TUNNEL_END = fileURLToPath(new URL('./tunnel-end.js', import.meta.url));
const LEAST_SHARE = 2;

export const tunnelEndPart: Part = {
  title: `one tunnel's end takes at least ${LEAST_SHARE} × the packets of wireguard-go`,
  sampleSize: `10 rounds of ${PACKET_BYTES}-byte packets, wireguard-go in turn`,
  run,
};

async function run(tell: Tell): Promise<Outcome> {
  tell('one tunnel end beside wireguard-go; about a minute');
  const built = await runCommand('kx-3-build', 'cargo', [
    ...['build', '--release', '-p', 'lab', '--bin', 'peer-load'],
  ]);
  if (built.code !== 0) return { passed: false, figure: `peer-load was not built; see ${built.log}` };
  const args = [TUNNEL_END];
  const { code, stdout, log } = await runCommand('kx-3-tunnel-end', process.execPath, args, { follow: true });
  if (code !== 0) return { passed: false, figure: `the tunnel's end was not measured; see ${log}` };
  return judgeTunnelEnd(JSON.parse(stdout) as readonly PourRound[]);
}

/** Medians over the rounds. Every packet must have come through, and be what was sent. */
export function judgeTunnelEnd(rounds: readonly PourRound[]): Outcome {
  const ours = rates(rounds, 'tunnel');
  const theirs = rates(rounds, 'wireguard');
  const share = ours.perSecond / theirs.perSecond;
  const lost = rounds
    .filter(({ target }) => target === 'tunnel')
    .reduce((sum, { sent, arrived }) => sum + Math.max(0, sent - arrived), 0);
  const genuine = rounds.every(
    (round) => round.measure === 'delay' || (round.spoiled === 0 && round.decrypted > 0),
  );
  const thousands = (rate: number) => `${(rate / 1000).toFixed(0)} thousand`;
  return {
    passed: share >= LEAST_SHARE && lost === 0 && genuine,
    figure: [
      `a tunnel's end takes ${share.toFixed(2)} × the ${PACKET_BYTES}-byte packets of wireguard-go (${thousands(ours.perSecond)} of ${thousands(theirs.perSecond)}/s`,
      `${ours.microseconds.toFixed(2)} of ${theirs.microseconds.toFixed(2)} µs of processor time each`,
      `${delay(rounds, 'tunnel').toFixed(0)} of ${delay(rounds, 'wireguard').toFixed(0)} µs to the wire at 1 000/s)`,
      `${lost} lost${genuine ? '' : ', not all were what was sent'}`,
    ].join(', '),
  };
}

function rates(rounds: readonly PourRound[], wanted: PourRound['target']) {
  const of = rounds.flatMap((round) =>
    round.measure === 'rate' && round.target === wanted
      ? [
          {
            perSecond: (round.arrived / round.wallNs) * 1e9,
            microseconds: round.processorNs / round.arrived / 1000,
          },
        ]
      : [],
  );
  return {
    perSecond: median(of.map(({ perSecond }) => perSecond)),
    microseconds: median(of.map(({ microseconds }) => microseconds)),
  };
}

/** p50, in microseconds. */
function delay(rounds: readonly PourRound[], wanted: PourRound['target']): number {
  return (
    median(
      rounds.flatMap((round) => (round.measure === 'delay' && round.target === wanted ? [round.p50Ns] : [])),
    ) / 1000
  );
}

/** NaN for nothing, which passes no comparison. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

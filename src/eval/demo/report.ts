/** Role: the summary of a demo run as text for a person. Not here: the verdict (summary.ts). */

import {
  DHT_PORT,
  type Direction,
  KX_PORT,
  LEAST_LEAD,
  LEAST_PEAK,
  lossPercent,
  type Summary,
} from './summary.js';

export function formatSummary(summary: Summary): string {
  const { peers, seconds, passed, faults, directory } = summary;
  return [
    '',
    `A call from alice to bob over ${peers} peers, ${3 * peers} processes; ${seconds.toFixed(0)} s in all`,
    '',
    row(
      'call set-up',
      `rings after ${ms(summary.ringingAfterMs)}, answered after ${ms(summary.answeredAfterMs)}`,
    ),
    row('round trip', `${ms(summary.roundTripMs)}, at best ${ms(summary.lowestRoundTripMs)}`),
    ...summary.directions.flatMap(formatDirection),
    '',
    'UDP datagrams on the bridge, by destination port',
    ...formatDatagrams(summary),
    '',
    row('recordings', directory),
    '',
    ...(passed
      ? ['PASSED: speech arrived in both directions, and KX datagrams have one size.']
      : ['FAILED', ...faults.map((fault) => `  ${fault}`)]),
    '',
  ].join('\n');
}

function formatDirection({ from, to, score, controlPeak, voice }: Direction): string[] {
  const [least, most] = score.delayRangeMs;
  const lead = score.peak - controlPeak;
  return [
    '',
    `${from} → ${to}`,
    row(
      'packets',
      `${voice.received} received, ${voice.lost} lost (${lossPercent(voice).toFixed(2)} %), ${voice.late} late, ${voice.concealed} concealed`,
    ),
    row('jitter, buffer', `${voice.jitterMs.toFixed(1)} ms, ${voice.bufferMs.toFixed(0)} ms`),
    row('mouth to ear', `${score.delayMs.toFixed(0)} ms (${least.toFixed(0)} to ${most.toFixed(0)})`),
    row('quality', `PESQ-WB ${score.pesqWb?.toFixed(2) ?? 'none'} (1.0 to 4.64)`),
    row(
      'correlation peak',
      `${score.peak.toFixed(3)} (needed: ${LEAST_PEAK}), ${lead.toFixed(3)} above other speech (needed: ${LEAST_LEAD})`,
    ),
  ];
}

function formatDatagrams({ datagrams }: Summary): string[] {
  const names: Record<number, string> = { [KX_PORT]: 'KX', [DHT_PORT]: 'DHT' };
  return Object.entries(datagrams).map(([port, sizes]) => {
    const counts = Object.values(sizes).reduce((sum, count) => sum + count, 0);
    const seen = Object.keys(sizes);
    const range =
      seen.length <= 3
        ? `${seen.join(', ')} bytes`
        : `${seen.length} sizes, ${seen[0]} to ${seen.at(-1)} bytes`;
    return row(`${port} ${names[Number(port)] ?? 'unexpected'}`, `${counts} datagrams: ${range}`);
  });
}

function row(name: string, value: string): string {
  return `  ${name.padEnd(20)} ${value}`;
}

function ms(value: number | null): string {
  return value === null ? 'unknown' : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

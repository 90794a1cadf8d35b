/** What the goal `voip 2` makes of the figures of its bench. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CallLine, type EchoLine, judgeSound } from '../../../src/eval/goals/voip-sound.js';

const call = (network: string, voice: string, pesq: number, added_ms = 30): CallLine => ({
  network,
  voice,
  calls: 24,
  pesq,
  worst_pesq: pesq - 1,
  added_ms,
});
const echo = (far: string, erle_db = 35): EchoLine => ({
  echo: 'echo',
  far,
  rooms: 9,
  erle_db,
  likeness: 0.85,
  level_db: -2,
  pesq_alone: 3.7,
  pesq_both: 1.1,
});
const good: (CallLine | EchoLine)[] = [
  ...['human', 'synthetic'].flatMap((voice) => [
    call('no loss', voice, 4.1),
    call('1 % loss', voice, 4.0),
    call('3 % loss', voice, 3.9),
    call('5 % loss', voice, 3.8),
    call('10 % loss', voice, 3.4),
    echo(voice),
  ]),
  call('bursts and jitter', 'human', 3.8, 45),
  call('bursts and jitter', 'synthetic', 3.3, 45),
];

/** All good lines but those that `bad` stands in for. */
const instead = (bad: CallLine | EchoLine) => [
  bad,
  ...good.filter((line) =>
    'network' in line
      ? !('network' in bad && bad.network === line.network && bad.voice === line.voice)
      : !('echo' in bad && bad.far === line.far),
  ),
];

const test = suite('the goal of how voice sounds');
test('is reached at its bars and not below one of them', () => {
  assert.ok(judgeSound(good).passed);
  for (const bad of [
    call('no loss', 'human', 4.09),
    call('1 % loss', 'synthetic', 3.99),
    call('10 % loss', 'synthetic', 3.39),
    call('bursts and jitter', 'human', 3.79),
    call('bursts and jitter', 'human', 3.9, 45.1),
    call('bursts and jitter', 'synthetic', 3.9, 45.1),
    { ...call('5 % loss', 'human', 4), calls: 0 },
    echo('human', 29.9),
    { ...echo('synthetic'), likeness: 0.79 },
    { ...echo('synthetic'), level_db: -6.1 },
  ]) {
    const { passed, figure } = judgeSound(instead(bad));
    assert.not(passed, JSON.stringify(bad));
    assert.match(figure, 'FAILED');
  }
});
test('is not reached with a line missing', () => {
  for (const line of good) {
    assert.not(judgeSound(good.filter((it) => it !== line)).passed, JSON.stringify(line));
  }
});
test.run();

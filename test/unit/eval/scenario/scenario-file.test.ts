/** Scenario files: what they say, sweeps, and what is told of mistakes. */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../../src/errors.js';
import { loadScenarioFile, parseScenarioFile } from '../../../../src/eval/scenario/scenario-file.js';

const EXAMPLES = fileURLToPath(new URL('../../../../../config/scenarios/', import.meta.url));
const LEAST = `description = "least"
[regions.all]
peers = 5
[calls]
`;

const test = suite('scenario files');

function mistakesOf(text: string): string[] {
  try {
    parseScenarioFile(text, 's.toml');
  } catch (error) {
    if (!(error instanceof PeerError) || error.code !== 'scenario') throw error;
    assert.match(error.remedy ?? '', /docs\/evaluation\.md/);
    return error.message.split('\n');
  }
  return [];
}

test('what is not said has a default', () => {
  const { points, swept } = parseScenarioFile(LEAST, 's.toml');
  assert.is(points.length, 1);
  assert.equal(swept, []);
  const [{ scenario, values }] = points;
  assert.equal(values, {});
  assert.equal([scenario.seed, scenario.repetitions, scenario.link, scenario.links], [1, 1, {}, {}]);
  assert.equal({ ...scenario.calls }, { pairs: 1, count: 1, seconds: 20 });
});

test('all examples are scenarios', () => {
  const files = readdirSync(EXAMPLES);
  assert.ok(files.includes('smoke.toml') && files.includes('latency.toml'));
  for (const file of files) loadScenarioFile(`${EXAMPLES}${file}`);
});

test('a sweep has each value with each of the others, the last parameter fastest', () => {
  const { points, swept } = parseScenarioFile(
    `${LEAST}[sweep]\n"link.delayMs" = [0, 20]\n"config.KX.HOPS" = [3]\n"calls.seconds" = [1, 2]\n`,
    's.toml',
  );
  assert.equal(swept, ['link.delayMs', 'config.KX.HOPS', 'calls.seconds']);
  assert.equal(
    points.map(({ scenario }) => [scenario.link.delayMs, scenario.config.KX.HOPS, scenario.calls.seconds]),
    [
      [0, '3', 1],
      [0, '3', 2],
      [20, '3', 1],
      [20, '3', 2],
    ],
  );
  assert.equal(points[1]?.values, { 'link.delayMs': 0, 'config.KX.HOPS': 3, 'calls.seconds': 2 });
});

test('a sweep changes nothing of other points', () => {
  const { points } = parseScenarioFile(`${LEAST}count = 3\n[sweep]\n"link.lossPercent" = [1, 2]\n`, 's.toml');
  assert.equal(
    points.map(({ scenario }) => [scenario.calls.count, scenario.link]),
    [
      [3, { lossPercent: 1 }],
      [3, { lossPercent: 2 }],
    ],
  );
});

test('a mistake is told with file, line, parameter and what is expected', () => {
  const cases: readonly [string, RegExp][] = [
    ['[link]\ndelayMs = -1\n', /^s\.toml:6: link\.delayMs: expected a number from 0 to 60000, found -1$/],
    ['[link]\ndelay = 1\n', /^s\.toml:6: link\.delay: there is no such parameter/],
    ['[link]\ndelayMs = "20"\n', /^s\.toml:6: link\.delayMs: expected a number from 0 to 60000, found "20"$/],
    ['[churn]\nrate = 1\n', /^s\.toml:5: churn: there is no such parameter/],
    ['count = 1.5\n', /^s\.toml:5: calls\.count: expected a whole number from 1 to 1000, found 1\.5$/],
    ['from = "mars"\n', /^s\.toml:5: calls\.from: there is no region mars; expected one of all$/],
    ['pairs = 3\n', /^s\.toml:5: calls\.pairs: expected at most what region all has peers for: 5, not 6$/],
    ['[links.all.mars]\ndelayMs = 1\n', /^s\.toml:5: links\.all\.mars: there is no region mars/],
    ['[link]\nrateKbps = 100\n', /^s\.toml:6: link\.rateKbps: with a rate, queueMs is wanted/],
    ['[link]\nqueueMs = 100\n', /^s\.toml:6: link\.queueMs: a line without rateKbps/],
    ['[link]\nreorderPercent = 1\n', /^s\.toml:6: link\.reorderPercent: reorderPercent and reorderMs/],
    [
      '[link]\nlossPercent = 80\nburstPackets = 2\n',
      /^s\.toml:7: link\.burstPackets: bursts of 2 cannot lose 80 %/,
    ],
    ['[config.KX]\nHOPS = 9\n', /^s\.toml:6: config\.KX\.HOPS: .*expected a whole number from 3 to 8/],
    ['[config.KX]\nPORT = 9\n', /^s\.toml:6: config\.KX\.PORT: expected one of HOPS/],
    ['[config.KX]\nHOPS = 4\n', /^s\.toml:2: regions: expected 6 to 64 peers/],
    [
      '[[thresholds]]\nmeasure = "beauty"\nstatistic = "mean"\nmost = 1\n',
      /^s\.toml:6: thresholds\.0\.measure: /,
    ],
    [
      '[[thresholds]]\nmeasure = "pesq"\nstatistic = "mean"\n',
      /^s\.toml:5: thresholds\.0: expected most, least/,
    ],
    [
      '[sweep]\n"link.delayMs" = [1, -5]\n',
      /^s\.toml:6: sweep\.link\.delayMs: expected a number .*found -5$/,
    ],
    ['[sweep]\n"link.delay" = [1]\n', /^s\.toml:6: sweep\.link\.delay: there is no such parameter/],
    ['[sweep]\n"link.delayMs" = []\n', /^s\.toml:6: sweep\.link\.delayMs: expected a list/],
    [
      '[sweep]\nlink.delayMs = [1]\n',
      /^s\.toml:6: sweep\.link: expected a list of values, and the path .*in quotes/,
    ],
    ['[sweep]\n"link.delayMs" = [1, 1]\n', /^s\.toml:6: sweep\.link\.delayMs: a value stands there twice/],
    ['[sweep]\n"seed" = [1, 2]\n', /^s\.toml:6: sweep\.seed: this is the same for all points/],
    ['[sweep]\n"__proto__.odd" = [1]\n', /^s\.toml:6: sweep\.__proto__\.odd: expected a list/],
    ['[link]\ndelayMs 20\n', /^s\.toml:6: /],
    ['[calls]\n', /^s\.toml:5: /],
  ];
  for (const [text, expected] of cases) {
    const mistakes = mistakesOf(LEAST + text);
    assert.is(mistakes.length, 1, `${text} → ${mistakes.join('; ')}`);
    assert.match(mistakes[0] ?? '', expected);
  }
});

test('all mistakes are told at once, each once', () => {
  const mistakes = mistakesOf(
    `${LEAST}count = 0\n[link]\njitterMs = -1\n[sweep]\n"link.delayMs" = [1, 2]\n"calls.seconds" = [0, 1]\n`,
  );
  assert.is(mistakes.length, 3, mistakes.join('\n'));
});

test('what is missing is told where it would be', () => {
  assert.match(
    mistakesOf('description = "x"\n[regions.all]\npeers = 5\n').join(),
    /^s\.toml: calls: is missing$/,
  );
  assert.match(
    mistakesOf('description = "x"\n[regions.all]\n[calls]\n').join(),
    /^s\.toml:2: regions\.all\.peers: is missing/,
  );
});

test('a file that is not there is told', () => {
  assert.throws(() => loadScenarioFile('/nonsense.toml'), /nonsense\.toml cannot be read/);
});

test.run();

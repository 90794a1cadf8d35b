/**
 * Role: an evaluation's report as one HTML page.
 *
 * Invariants: it loads nothing: neither from the network nor from files beside it; what stands in results is text in it, never HTML.
 *
 * Not here: the plots (plots.ts), the numbers (summary.ts).
 */

import { type Plot, sweepPlots, timePlots } from './plots.js';
import { environmentOf, type Results } from './results.js';
import { describe, type PointSummary, summarise } from './summary.js';
import { emulatorText, short } from './text.js';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE = `
body { font: 15px/1.45 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
td, th { padding: .15rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; vertical-align: top }
figcaption { font-size: .9rem; max-width: 28rem }
svg { max-width: 100%; height: auto }
.passed { color: #060 } .failed { color: #a00 }`;

export async function htmlOf(results: Results): Promise<string> {
  const { scenario, versions, machine, begun, trials } = results;
  const { points, faults } = summarise(results);
  const plots = [...(await sweepPlots(scenario.swept, points)), ...(await timePlots(results))];
  const facts: readonly (readonly [string, string])[] = [
    ['begun', begun],
    ['scenario', scenario.file],
    ['seed', String(scenario.seed)],
    ['trials', String(trials.length)],
    ['environment', environmentOf(results)],
    ['peer', versions.peer],
    ['Node.js', versions.node],
    ['system', machine.system],
    ['processor', `${machine.processor}, ${machine.cores} cores, ${machine.memoryGigabytes} GB`],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>Evaluation: ${escaped(scenario.description)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(scenario.description)}</h1>
${verdict(faults)}
<table>${facts.map(([name, value]) => `<tr><td>${name}</td><td>${escaped(value)}</td></tr>`).join('')}</table>
${plots.length === 0 ? '' : `<h2>Plots</h2>\n<p>Dots: observations; lines: means, with intervals of 95 %.</p>\n${plots.map(figureOf).join('\n')}`}
<h2>Numbers</h2>
<p>Means of the networks' means, with intervals of 95 % where there are two networks or more; all else is of all observations together.</p>
${points.map(tableOf).join('\n')}
<h2>The emulator's own error</h2>
<pre>${escaped(trials.flatMap((trial) => emulatorText(trial).map((line) => `${describe(trial.values)}:${line}`)).join('\n'))}</pre>
<h2>Scenario</h2>
<pre>${escaped(scenario.text)}</pre>
<p>All that was measured stands in results.json, the ways of all calls in calls.csv.</p>
</body>
</html>
`;
}

function verdict(faults: readonly string[]): string {
  if (faults.length === 0) return '<p class="passed">All trials were made, and all thresholds hold.</p>';
  return `<ul class="failed">${faults.map((fault) => `<li>${escaped(fault)}</li>`).join('')}</ul>`;
}

function figureOf({ title, svg }: Plot): string {
  return `<figure>${svg}<figcaption>${escaped(title)}</figcaption></figure>`;
}

function tableOf({ values, measures }: PointSummary): string {
  const head = ['', 'unit', 'mean', '±', 'median', 'p95', 'least', 'most', 'n', 'networks'];
  const rows = measures.map(({ measure, statistics }) => {
    const { mean, halfWidth, median, p95, min, max, count, networks } = statistics;
    const numbers = [mean, halfWidth, median, p95, min, max, count, networks].map(short);
    const title = `${measure.name}: ${measure.title}`;
    return [title, measure.unit, ...numbers].map((cell) => `<td>${escaped(cell)}</td>`).join('');
  });
  return `<h3>${escaped(describe(values))}</h3>
<table><tr>${head.map((name) => `<th>${name}</th>`).join('')}</tr>${rows.map((row) => `<tr>${row}</tr>`).join('')}</table>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

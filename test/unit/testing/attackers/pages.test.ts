/** Every attacker has a page in docs/attacks that says what there is to say, and nobody else has. */

import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ATTACKERS } from '../../../../src/testing/attackers/registry.js';

const PAGES = new URL('../../../../../docs/attacks/', import.meta.url);
const INDEX = 'README.md';
const test = suite('pages of attackers');

test('there is one page for each attacker, and none besides', () => {
  const pages = readdirSync(PAGES).filter((file) => file !== INDEX);
  assert.equal(pages.sort(), ATTACKERS.map(({ name }) => `${name}.md`).sort());
});

test('the index links to every page once', () => {
  const links = [...readFileSync(new URL(INDEX, PAGES), 'utf8').matchAll(/^\| \[([^\]]+)\]\(([^)]+)\)/gm)];
  assert.equal(
    links.map(([, name, page]) => [name, page]).sort(),
    ATTACKERS.map(({ name }) => [name, `${name}.md`]).sort(),
  );
});

for (const { name, counters, waitsFor } of ATTACKERS) {
  test(`${name}: what it tries, why it fails, what it costs, and by which counters it shows`, () => {
    const page = readFileSync(new URL(`${name}.md`, PAGES), 'utf8');
    assert.ok(page.startsWith(`# ${name}\n`));
    for (const part of ['**Tries** ', '**Fails** ', '**Costs** ', '**Shown by** ']) {
      assert.is(page.split(`\n${part}`).length, 2, part);
    }
    assert.is(page.includes('\n**Waits**, with `--wait`, '), waitsFor !== undefined);
    const shownBy = page.slice(page.indexOf('**Shown by** '));
    assert.ok(counters.length > 0);
    for (const counter of counters) {
      const [, parent = '', leaf = ''] = /^(.+)\.([^.]+)$/.exec(counter) ?? [];
      assert.ok(shownBy.includes(`\`${leaf}\``) && shownBy.includes(`\`${parent}\``), counter);
    }
  });
}

test.run();

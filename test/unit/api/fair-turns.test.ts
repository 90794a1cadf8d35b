/** Role: whose turn it is, and what a framed message takes of memory. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FairTurns, type Leisure, LoopLeisure } from '../../../src/api/fair-turns.js';
import { readOpenFileLimit } from '../../../src/api/file-limit.js';

const test = suite('fair turns');
const IDLE: Leisure = { enough: () => true, begin: () => {} };
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

async function settle(turns: FairTurns<string>): Promise<void> {
  while (turns.waiting > 0) await nextTurn();
  await nextTurn();
}

function recorder(turns: FairTurns<string>) {
  const order: string[] = [];
  const ask = (client: string, count: number) => {
    for (let i = 0; i < count; i += 1) turns.add(client, async () => void order.push(client));
  };
  return { order, ask };
}

test('those that ask for little are not kept waiting by those that ask for much, and these are not starved', async () => {
  const turns = new FairTurns<string>(10, IDLE);
  const { order, ask } = recorder(turns);
  ask('a', 4);
  ask('b', 2);
  ask('c', 1);
  await settle(turns);
  assert.is(order.join(''), 'cababaa');
});

test('one that comes late is among the next two, however many others wait', async () => {
  const turns = new FairTurns<string>(10, IDLE);
  const { order, ask } = recorder(turns);
  for (let i = 0; i < 300; i += 1) ask(`greedy ${i}`, 20);
  while (order.length < 50) await nextTurn();
  const before = order.length;
  ask('late', 1);
  await settle(turns);
  assert.ok(order.indexOf('late') < before + 3, `number ${order.indexOf('late') - before}`);
});

test('one that was away has saved up nothing', async () => {
  const turns = new FairTurns<string>(10, IDLE);
  const { order, ask } = recorder(turns);
  ask('a', 20);
  await settle(turns);
  ask('a', 10);
  ask('b', 10);
  await settle(turns);
  const half = order.slice(20, 30);
  assert.ok(half.filter((client) => client === 'b').length >= 5, half.join(''));
});

test('no more are in work than may be, and what a client that is gone waits for is forgotten', async () => {
  const turns = new FairTurns<string>(2, IDLE);
  const release: (() => void)[] = [];
  for (const client of ['a', 'a', 'b', 'b', 'b']) {
    turns.add(client, () => new Promise((resolve) => release.push(resolve)));
  }
  for (let i = 0; i < 10; i += 1) await nextTurn();
  assert.is(release.length, 2);
  assert.is(turns.greediest(), 'b');
  turns.remove('b');
  assert.is(turns.greediest(), null);
  for (const resolve of release.splice(0)) resolve();
  for (let i = 0; i < 10; i += 1) await nextTurn();
  assert.is(release.length, 1);
  assert.is(turns.waiting, 0);
});

test('while the process is busy only single requests are begun, and the others once it is idle', async () => {
  const leisure = {
    idle: true,
    enough: () => leisure.idle,
    begin: () => {
      leisure.idle = false;
    },
  };
  const turns = new FairTurns<string>(10, leisure);
  const { order, ask } = recorder(turns);
  ask('greedy', 3);
  while (order.length < 1) await nextTurn();
  for (const client of ['b', 'c', 'd']) ask(client, 1);
  while (order.length < 4) await nextTurn();
  for (let i = 0; i < 20; i += 1) await nextTurn();
  assert.is(order.join(' '), 'greedy b c d');
  assert.is(turns.waiting, 2);
  leisure.idle = true;
  while (order.length < 5) await new Promise((resolve) => setTimeout(resolve));
  assert.is(turns.waiting, 1);
  turns.remove('greedy');
});

test('requests that come one by one while others of the same client are in work are several at once', async () => {
  const leisure = { enough: () => false, begin: () => {} };
  const turns = new FairTurns<string>(10, leisure);
  let begun = 0;
  const job = () => {
    begun += 1;
    return new Promise<void>(() => {});
  };
  for (let i = 0; i < 5; i += 1) {
    turns.add('sly', job);
    await nextTurn();
    await nextTurn();
  }
  assert.is(begun, 1);
  turns.remove('sly');
});

test('a process that has just begun something has no leisure, and is not without it for ever however busy it is', async () => {
  const leisure = new LoopLeisure();
  const enough = Array.from({ length: 50 }, () => {
    leisure.begin();
    return leisure.enough();
  });
  assert.ok(enough.includes(false));
  while (!leisure.enough()) await nextTurn();
});

test('what is to outlive its client is done though that is gone, up to a bound, and nobody is the greediest for it', async () => {
  const turns = new FairTurns<string>(1, IDLE);
  let free = () => {};
  let done = 0;
  turns.add(
    'first',
    () =>
      new Promise((resolve) => {
        free = resolve;
      }),
  );
  await nextTurn();
  await nextTurn();
  const count = async () => {
    done += 1;
  };
  for (let i = 0; i < 200; i += 1) turns.add('a', count, true);
  for (let i = 0; i < 200; i += 1) turns.add('a', async () => assert.unreachable());
  for (let i = 0; i < 200; i += 1) turns.add('b', count, true);
  turns.remove('a');
  turns.remove('b');
  assert.is(turns.waiting, 256);
  assert.is(turns.greediest(), null);
  free();
  await settle(turns);
  assert.is(done, 256);
});

test('the limit of open files is read from what the system says', () => {
  const text =
    'Limit   Soft Limit  Hard Limit  Units\nMax open files            1024       4096       files\n';
  assert.is(readOpenFileLimit(text), 1024);
  assert.is(readOpenFileLimit(text.replace('1024', 'unlimited')), Number.POSITIVE_INFINITY);
  assert.is(readOpenFileLimit(''), Number.POSITIVE_INFINITY);
});

test.run();

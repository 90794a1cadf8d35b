import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineCommand, Hop } from '../../../src/engine/kx.js';
import { Cover } from '../../../src/kx/cover.js';

const test = suite('cover');
const hop = (): Hop => ({ identity: randomBytes(32), address: '10.0.0.1', port: 3001 });

function bench(calls: number) {
  const commands: EngineCommand[] = [];
  return { commands, cover: new Cover({ command: (command) => commands.push(command) }, calls) };
}

test('the first hops are covered while there is a tunnel, and the engine hears of changes only', () => {
  const { commands, cover } = bench(2);
  const [a, b, c] = [hop(), hop(), hop()];
  cover.update(false, [a, b]);
  assert.is(commands.length, 0);
  cover.update(true, [a, b, c]);
  cover.update(true, [a, b, c]);
  assert.equal(commands, [{ type: 'cover', calls: 2, peers: [a, b] }]);
  cover.update(true, [b]);
  cover.update(false, [b]);
  assert.equal(commands.slice(1), [
    { type: 'cover', calls: 2, peers: [b] },
    { type: 'cover', calls: 2, peers: [] },
  ]);
});

test('no calls to hide means no cover', () => {
  const { commands, cover } = bench(0);
  cover.update(true, [hop()]);
  assert.is(commands.length, 0);
});

test.run();

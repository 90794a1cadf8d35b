import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Direction, firstFor, newTunnel, type Tunnel } from '../../../src/kx/tunnel.js';
import type { TunnelExtension } from '../../../src/kx/tunnel-extension.js';

const test = suite('tunnel');
const exchangePoint = hop();

function hop() {
  return { identity: randomBytes(32), address: '10.0.0.9', port: 3001 };
}

/** `isUp`: a circuit of its own carries it. */
function tunnel(direction: Direction, isUp: boolean, pseudoIdentity: Buffer = randomBytes(32)): Tunnel {
  const extension = {} as TunnelExtension;
  const made = newTunnel('', direction, pseudoIdentity, exchangePoint, 3, null, extension);
  if (isUp) made.carrying = [hop(), hop(), exchangePoint];
  return made;
}

/** What is preferred, by each number that may be drawn. */
function preferred(one: Tunnel, ...others: Tunnel[]): (Buffer | undefined)[] {
  return others.map((_, drawn) => firstFor(one, [one, ...others], (bound) => Math.min(drawn, bound - 1)));
}

test('a tunnel to somebody takes the first hop of any incoming one, and none of an outgoing one', () => {
  const [a, b] = [tunnel('incoming', true), tunnel('incoming', true)];
  const others = [a, tunnel('outgoing', true), tunnel('incoming', false), b];
  const expected = [a, b, b, b].map(({ carrying }) => carrying[0]?.identity);
  assert.equal(preferred(tunnel('outgoing', false), ...others), expected);
  assert.equal(preferred(tunnel('outgoing', false), tunnel('incoming', false)), [undefined]);
});

test('an incoming one takes any, and each keeps its own when it rotates', () => {
  assert.equal(preferred(tunnel('incoming', false), tunnel('outgoing', true)), [undefined]);
  for (const direction of ['incoming', 'outgoing'] as const) {
    const one = tunnel(direction, true);
    const other = tunnel(direction === 'incoming' ? 'outgoing' : 'incoming', true);
    assert.equal(preferred(one, other), [one.carrying[0]?.identity]);
  }
});

test('after a try that came to nothing none is preferred, until one has succeeded', () => {
  const other = tunnel('incoming', true);
  for (const isUp of [true, false]) {
    const one = tunnel('outgoing', isUp);
    one.path = [hop(), hop(), exchangePoint];
    assert.equal(preferred(one, other), [undefined]);
    one.carrying = one.path;
    assert.equal(preferred(one, other), [one.path[0]?.identity]);
  }
});

test('in a call with oneself each follows the other', () => {
  const [one, other] = [tunnel('incoming', true), tunnel('incoming', true)];
  const outgoing = tunnel('outgoing', true, one.pseudoIdentity);
  const first = one.carrying[0]?.identity;
  assert.equal(preferred(outgoing, other, one), [first, first]);
  assert.equal(preferred(one, other, outgoing), [
    outgoing.carrying[0]?.identity,
    outgoing.carrying[0]?.identity,
  ]);
});

test.run();

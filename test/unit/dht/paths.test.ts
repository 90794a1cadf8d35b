import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { choosePath, type PathOptions } from '../../../src/dht/private/path-choice.js';
import {
  PINNED_WANTED,
  PinnedHops,
  type PinnedRequest,
  RECENT,
} from '../../../src/dht/private/pinned-hops.js';
import { loadPinnedHops } from '../../../src/dht/private/pinned-store.js';
import { nearby } from '../../../src/dht/private/prefix.js';
import { Suspects } from '../../../src/dht/private/suspects.js';
import { PeerError } from '../../../src/errors.js';
import { SeededRandom } from '../../../src/eval/sim/seeded-random.js';

const test = suite('dht paths of onions');
const random = new SeededRandom('paths.test');
const randomBelow = (bound: number) => random.bytes(6).readUIntBE(0, 6) % bound;
const NOW = 1_800_000_000_000;
const DAY_MS = 86_400_000;

function node(ipv4: string | null, ipv6: string | null = null): Contact {
  const identity = random.bytes(32);
  return {
    ...{ id: identity.toString('hex'), identity, key: random.bytes(32), position: random.bytes(32) },
    ...{ proof: { epoch: 3, nonce: random.bytes(8) }, port: 3000, ipv4, ipv6 },
  };
}

const apart = Array.from({ length: 20 }, (_, index) => node(`8.${index}.0.1`));

function options(more: Partial<PathOptions> = {}): PathOptions {
  return {
    ...{ hops: 3, selfId: 'self', near: (a, b) => nearby(a, b, 'auto'), suspect: () => false },
    ...{ avoidSecond: new Set(), avoidExit: new Set(), otherExit: false, randomBelow, ...more },
  };
}

const first = apart[0] as Contact;
const ids = (path: readonly Contact[] | null) => path?.map(({ id }) => id) ?? [];

test('every pair of other nodes is as likely as any other; no node stands twice on a path', () => {
  const counts = new Map<string, number>();
  const draws = 20_000;
  for (let i = 0; i < draws; i++) {
    const path = ids(choosePath(first, apart, options()));
    assert.is(path.length, 3);
    assert.is(new Set(path).size, 3);
    assert.is(path[0], first.id);
    const pair = `${path[1]} ${path[2]}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  assert.is(counts.size, 19 * 18);
  const expected = draws / counts.size;
  // Six standard deviations.
  for (const count of counts.values()) assert.ok(Math.abs(count - expected) < 6 * Math.sqrt(expected));
});

test('no two of one /16 or /32 where there are others; they do where there is nobody else', () => {
  const close = Array.from({ length: 10 }, (_, index) => node(`8.0.3.${index}`));
  const close6 = Array.from({ length: 10 }, (_, index) => node(null, `2001:db8:${index}::1`));
  const far = [node('9.1.0.1'), node('9.2.0.1')];
  const first6 = node(null, '2001:db8:77::1');
  const far6 = [node(null, '2a01:db8::1'), node(null, '2a02:db8::1')];
  for (let i = 0; i < 500; i++) {
    for (const path of [
      choosePath(first, [...close, ...far], options()) ?? [],
      choosePath(first6, [...close6, ...far6], options()) ?? [],
    ]) {
      assert.is(path.length, 3);
      for (const [index, one] of path.entries()) {
        for (const other of path.slice(index + 1)) assert.not.ok(nearby(one, other, 'auto'));
      }
    }
  }
  assert.is(ids(choosePath(first, close, options())).length, 3);
});

test('private and loopback prefixes count only where they are made to', () => {
  for (const [a, b] of [
    ['10.1.0.1', '10.1.0.2'],
    ['127.0.0.1', '127.0.0.2'],
    ['192.168.3.1', '192.168.4.1'],
  ] as const) {
    assert.not.ok(nearby(node(a), node(b), 'auto'));
    assert.ok(nearby(node(a), node(b), 'on'));
  }
  assert.not.ok(nearby(node(null, 'fd00::1'), node(null, 'fd00::2'), 'auto'));
  assert.ok(nearby(node('8.8.1.1'), node('8.8.2.2'), 'auto'));
  assert.not.ok(nearby(node('8.8.1.1'), node('8.8.2.2'), 'off'));
  assert.ok(nearby(node('8.9.1.1', '2001:db8::1'), node('8.8.2.2', '2001:db8:1::1'), 'auto'));
});

test('suspects and the hops of the other onion are passed over, unless nobody else is left', () => {
  const [a, b, c] = [apart[1], apart[2], apart[3]] as [Contact, Contact, Contact];
  for (let i = 0; i < 200; i++) {
    const path = ids(choosePath(first, [a, b, c], options({ suspect: ({ id }) => id === a.id })));
    assert.not.ok(path.includes(a.id));
    const other = ids(
      choosePath(first, [a, b, c], options({ avoidExit: new Set([a.id, b.id]), otherExit: true })),
    );
    assert.is(other[2], c.id);
  }
  const all = new Set([a.id, b.id, c.id]);
  assert.is(ids(choosePath(first, [a, b, c], options({ suspect: () => true, avoidExit: all }))).length, 3);
  assert.is(choosePath(first, [a, b, c], options({ avoidExit: all, otherExit: true })), null);
});

test('with fewer other nodes paths are shorter', () => {
  const [a] = [apart[1] as Contact];
  assert.equal(ids(choosePath(first, [first], options({ hops: 1 }))), [first.id]);
  assert.equal(ids(choosePath(first, [first, a], options({ hops: 2 }))), [first.id, a.id]);
  assert.is(choosePath(first, [first, a], options({ hops: 3 })), null);
  assert.is(choosePath(first, [first], options({ hops: 2 })), null);
  const once = { hops: 1, avoidExit: new Set([first.id]), otherExit: true };
  assert.is(choosePath(first, [first], options(once)), null);
});

test('every hop has a family of addresses in common with the next', () => {
  const v4 = Array.from({ length: 6 }, (_, index) => node(`9.${index}.0.1`));
  const v6 = Array.from({ length: 6 }, (_, index) => node(null, `2a0${index}:1::1`));
  const both = Array.from({ length: 2 }, (_, index) => node(`11.${index}.0.1`, `2a1${index}:1::1`));
  const common = (a: Contact, b: Contact) =>
    (a.ipv4 !== null && b.ipv4 !== null) || (a.ipv6 !== null && b.ipv6 !== null);
  for (let i = 0; i < 500; i++) {
    const path = choosePath(first, [...v4, ...v6, ...both], options()) ?? [];
    assert.is(path.length, 3);
    assert.ok(common(path[0] as Contact, path[1] as Contact));
    assert.ok(common(path[1] as Contact, path[2] as Contact));
  }
  const two = choosePath(first, [...v6, ...v4], options({ hops: 2 })) ?? [];
  assert.ok(common(two[0] as Contact, two[1] as Contact));
});

function request(more: Partial<PinnedRequest> = {}): PinnedRequest {
  return {
    ...{ candidates: apart, settled: true, avoid: new Set(), randomBelow, nowMs: NOW },
    near: (a, b) => nearby(a, b, 'auto'),
    resolve: (contact) => apart.find(({ id }) => id === contact.id) as Contact,
    ...more,
  };
}

test('the first hop stays the same for weeks, whoever else comes by', () => {
  const pinned = new PinnedHops();
  const chosen = pinned.choose(request())?.id;
  assert.is(pinned.members.length, PINNED_WANTED);
  for (let day = 0; day < 29; day++) {
    const nowMs = NOW + day * DAY_MS;
    assert.is(pinned.choose(request({ nowMs, candidates: [...apart].reverse() }))?.id, chosen);
  }
  assert.is(pinned.members.length, PINNED_WANTED);
  const later = request({ nowMs: NOW + 61 * DAY_MS });
  pinned.choose(later);
  assert.ok(pinned.members.every(({ expiresAtMs }) => expiresAtMs > later.nowMs));
});

test('it is passed over only after several failures in a row of its own leg, and comes back', () => {
  const pinned = new PinnedHops();
  const chosen = pinned.choose(request())?.id as string;
  pinned.noteFailure(chosen, NOW);
  pinned.noteFailure(chosen, NOW);
  assert.is(pinned.choose(request())?.id, chosen);
  assert.is.not(pinned.choose(request({ avoid: new Set([chosen]) }))?.id, chosen, 'within the same request');
  pinned.noteFailure(chosen, NOW);
  const second = pinned.choose(request())?.id;
  assert.is.not(second, chosen);
  assert.is(pinned.members.length, PINNED_WANTED + 1);
  assert.is(pinned.choose(request({ nowMs: NOW + 31_000 }))?.id, chosen);
  pinned.noteBehind(chosen, true, NOW);
  pinned.noteFailure(chosen, NOW);
  assert.is(pinned.choose(request())?.id, chosen, 'a success counts');
});

test('the set never grows without bound, whatever fails; an outage of our own, however long, changes no pin', () => {
  const pinned = new PinnedHops();
  for (let minute = 0; minute < 3 * 1_440; minute += 5) {
    const nowMs = NOW + minute * 60_000;
    const chosen = pinned.choose(request({ nowMs }));
    if (chosen) pinned.noteFailure(chosen.id, nowMs);
  }
  assert.is(pinned.members.length, 6);
  assert.ok(pinned.members.every(({ failures }) => failures > 10));
  const first = pinned.members[0]?.contact.id;
  const later = request({ nowMs: NOW + 4 * DAY_MS });
  assert.is(pinned.choose(later)?.id, first);
  assert.is(pinned.members.length, 6);
});

test('one that is away for a day while another works makes room', () => {
  const pinned = new PinnedHops();
  const away = pinned.choose(request())?.id as string;
  for (let minute = 0; minute <= 1_445; minute += 5) {
    const nowMs = NOW + minute * 60_000;
    const chosen = pinned.choose(request({ nowMs }))?.id as string;
    if (chosen === away) pinned.noteFailure(chosen, nowMs);
    else pinned.noteBehind(chosen, true, nowMs);
    if (minute < 1_400) assert.ok(pinned.members.some(({ contact }) => contact.id === away));
  }
  assert.not.ok(pinned.members.some(({ contact }) => contact.id === away));
});

test('a first hop behind which most onions die is passed over', () => {
  const pinned = new PinnedHops();
  const chosen = pinned.choose(request())?.id as string;
  for (let i = 1; i < RECENT; i++) pinned.noteBehind(chosen, false, NOW);
  assert.is(pinned.choose(request())?.id, chosen);
  pinned.noteBehind(chosen, false, NOW);
  assert.is.not(pinned.choose(request())?.id, chosen);
  pinned.noteBehind(chosen, true, NOW);
  assert.is.not(pinned.choose(request({ nowMs: NOW + DAY_MS - 1 }))?.id, chosen);
  assert.is(pinned.choose(request({ nowMs: NOW + DAY_MS }))?.id, chosen);
});

test('others on the path who let onions die do not make us change the first hop', () => {
  const pinned = new PinnedHops();
  const chosen = pinned.choose(request())?.id as string;
  for (let i = 0; i < 3_000; i++) {
    // A fifth of the nodes, at either place behind it: 36 of 100 onions.
    pinned.noteBehind(chosen, (i * 7) % 25 >= 9, NOW);
    assert.is(pinned.choose(request())?.id, chosen);
  }
  assert.is(pinned.members.length, PINNED_WANTED);
});

test('where all members are passed over, one of them is used all the same', () => {
  const pinned = new PinnedHops();
  const members = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const chosen = pinned.choose(request())?.id as string;
    if (i < 250) members.add(chosen);
    else assert.ok(members.has(chosen));
    pinned.noteBehind(chosen, false, NOW);
    if (i % 2 === 0) pinned.noteFailure(chosen, NOW);
  }
  assert.is(pinned.members.length, 6);
});

test('nobody is pinned before the network is known; the same one is used meanwhile', () => {
  let changes = 0;
  const pinned = new PinnedHops([], () => {
    changes += 1;
  });
  const chosen = pinned.choose(request({ settled: false }))?.id;
  for (let i = 0; i < 20; i++) assert.is(pinned.choose(request({ settled: false }))?.id, chosen);
  assert.is(pinned.members.length, 0);
  assert.is(changes, 0);
  assert.is(pinned.choose(request({ settled: false, candidates: [] })), null);
  assert.is(pinned.choose(request({ candidates: [] })), null);
});

test('a member that has moved is kept as it is now', () => {
  const pinned = new PinnedHops();
  const chosen = pinned.choose(request()) as Contact;
  const moved = { ...chosen, ipv4: '9.9.9.9', proof: { epoch: 4, nonce: Buffer.alloc(8, 1) } };
  const resolve = (contact: { id: string }) =>
    contact.id === chosen.id ? moved : (apart.find(({ id }) => id === contact.id) as Contact);
  assert.is(pinned.choose(request({ resolve }))?.ipv4, '9.9.9.9');
  const member = pinned.members.find(({ contact }) => contact.id === chosen.id);
  assert.is(member?.contact.ipv4, '9.9.9.9');
  assert.is(member?.contact.proof.epoch, 4);
});

test('pinned first hops survive a restart in a file of mode 0600; a damaged file is an error that names it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peer-pinned-'));
  const path = join(directory, 'dht', 'pinned.json');
  try {
    const never = (error: unknown) => assert.unreachable(String(error));
    const pinned = await loadPinnedHops(directory, never);
    const chosen = pinned.choose(request())?.id as string;
    pinned.noteFailure(chosen, NOW);
    const written = pinned.members;
    let again = await loadPinnedHops(directory, never);
    while (again.members[0]?.failures !== 1) again = await loadPinnedHops(directory, never);
    const plain = (hops: typeof written) =>
      hops.map(({ contact: { identity, key, port, ipv4, proof }, ...rest }) => ({
        ...{ identity, key, port, ipv4, proof },
        ...rest,
      }));
    assert.equal(plain(again.members), plain(written));
    assert.is(again.choose(request())?.id, chosen);
    assert.is((await stat(path)).mode & 0o777, 0o600);
    assert.ok((await readFile(path, 'utf8')).includes(chosen));
    for (const damage of ['{', '{"version":1,"first":[{"contact":"00"}]}', '{"version":2,"first":[]}']) {
      await writeFile(path, damage);
      const error = await loadPinnedHops(directory, never).catch((reason: unknown) => reason);
      assert.ok(error instanceof PeerError && error.code === 'pinned-file' && error.message.includes(path));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('suspects are forgotten after ten minutes and bounded', () => {
  const suspects = new Suspects();
  suspects.add(first, NOW);
  assert.ok(suspects.has(first, NOW + 599_000));
  assert.not.ok(suspects.has(first, NOW + 600_000));
  for (let i = 0; i < 1_000; i++) suspects.add(node('8.8.8.8'), NOW);
  assert.is(suspects.count(NOW), 256);
});

test.run();

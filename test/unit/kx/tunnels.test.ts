/** Tunnels against an engine whose events the test decides. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ApiConnection } from '../../../src/api/server.js';
import type { Engine, Hop, TunnelCommand } from '../../../src/engine/kx.js';
import { Guards } from '../../../src/kx/guards.js';
import type { Candidate, PeerPool } from '../../../src/kx/peer-pool.js';
import { Tunnels } from '../../../src/kx/tunnels.js';
import { createLogger } from '../../../src/log.js';
import { type BuildExtension, encodeBuildExtension } from '../../../src/wire/build-extension.js';
import { type ApiMessage, MESSAGE_TYPE, type PeerAddress } from '../../../src/wire/message.js';

const test = suite('tunnels');
const exchangePoint: PeerAddress = {
  identity: randomBytes(32),
  kxPort: 3001,
  ipv4: Buffer.from([10, 0, 0, 9]),
  ipv6: null,
};

interface Bench {
  readonly tunnels: Tunnels;
  readonly guards: Guards;
  readonly commands: TunnelCommand[];
  readonly forgotten: string[];
  readonly client: ApiConnection;
  readonly sent: ApiMessage[];
  /** The next command of the engine, once it is there. */
  command(): Promise<TunnelCommand>;
}

/** `pinned`: the only first hop that is pinned before. */
async function bench(peers = 6, rotateSeconds = 600, cover = 0, pinned?: PeerAddress): Promise<Bench> {
  const commands: TunnelCommand[] = [];
  const forgotten: string[] = [];
  const sent: ApiMessage[] = [];
  let wake = () => {};
  const engine = {
    command: (command: TunnelCommand) => {
      commands.push(command);
      wake();
    },
  } as unknown as Engine;
  const candidates: Candidate[] = Array.from({ length: peers }, (_, index) => ({
    identity: randomBytes(32),
    address: `10.0.0.${index + 1}`,
    port: 3001,
  }));
  const pool = {
    peers: async () => candidates,
    forget: (identity: Buffer) => forgotten.push(identity.toString('hex')),
  } as unknown as PeerPool;
  const guards = await Guards.load(mkdtempSync(join(tmpdir(), 'peer-tunnels-')));
  if (pinned?.ipv4) {
    const { identity, ipv4, kxPort: port } = pinned;
    const only = [{ identity, address: [...ipv4].join('.'), port }];
    guards.first.choose(only, {
      eligible: () => true,
      fits: () => true,
      mayGrow: false,
      near: () => false,
      now: Date.now(),
    });
  }
  const tunnels = new Tunnels({
    engine,
    pool,
    guards,
    self: randomBytes(32),
    families: { ipv4: true, ipv6: false },
    hops: 3,
    strictDiversity: false,
    rotateSeconds,
    cover,
    tokenSecret: randomBytes(32),
    lingerMs: 20,
    log: createLogger({ level: 'silent', name: 'test' }),
  });
  const client = { send: (message: ApiMessage) => sent.push(message) } as unknown as ApiConnection;
  let taken = 0;
  const command = async () => {
    while (commands.length <= taken) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    taken += 1;
    return commands[taken - 1] as TunnelCommand;
  };
  return { tunnels, guards, commands, forgotten, client, sent, command };
}

function build(type: 'kx-build-incoming' | 'kx-build-outgoing', pseudoIdentity: Buffer, hops = 3) {
  return { type, hops, pseudoIdentity, exchangePoint, extension: Buffer.alloc(0) } as const;
}

test('READY goes to the connection that asked, with the address of the callee', async () => {
  const { tunnels, client, sent, command } = await bench();
  const pseudoIdentity = randomBytes(32);
  tunnels.build(client, build('kx-build-outgoing', pseudoIdentity));
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  assert.is(sent.length, 1);
  const [ready] = sent;
  assert.ok(ready?.type === 'kx-ready' && ready.ipv4.equals(Buffer.from([10, 20, 0, 2])));
});

test('the hops byte is a least number, and below three it means three', async () => {
  for (const [asked, expected] of [
    [0, 3],
    [2, 3],
    [5, 5],
  ] as const) {
    const { tunnels, client, command } = await bench();
    tunnels.build(client, build('kx-build-incoming', randomBytes(32), asked));
    const sent = await command();
    assert.ok(sent.type === 'buildIncoming' && sent.path.length === expected);
  }
});

test('more hops than the engine can build, and an exchange point without address, are answered by ERROR', async () => {
  const { tunnels, client, sent } = await bench();
  tunnels.build(client, build('kx-build-incoming', randomBytes(32), 9));
  const nowhere = { ...exchangePoint, ipv4: null };
  tunnels.build(client, { ...build('kx-build-outgoing', randomBytes(32)), exchangePoint: nowhere });
  assert.equal(
    sent.map((message) => message.type === 'kx-error' && message.requestType),
    [MESSAGE_TYPE.kxBuildIncoming, MESSAGE_TYPE.kxBuildOutgoing],
  );
});

test('a relay that fails is not chosen again, and another path is tried', async () => {
  const { tunnels, client, sent, forgotten, command } = await bench();
  tunnels.build(client, build('kx-build-outgoing', randomBytes(32)));
  const first = await command();
  tunnels.handleEvent({ type: 'tunnelFailed', tunnel: first.tunnel, failure: 'unreachable', hop: 1 });
  const second = await command();
  assert.is.not(second.tunnel, first.tunnel);
  assert.ok(first.type === 'buildOutgoing' && forgotten[0] === first.path[1]?.identity.toString('hex'));
  assert.is(sent.length, 0);
});

test('what the exchange point says is final', async () => {
  for (const failure of ['unknown-pseudo-identity', 'taken', 'wrong-identity', 'unreachable'] as const) {
    const { tunnels, client, sent, commands, command } = await bench();
    tunnels.build(client, build('kx-build-outgoing', randomBytes(32)));
    const { tunnel } = await command();
    tunnels.handleEvent({ type: 'tunnelFailed', tunnel, failure, hop: failure === 'taken' ? 3 : 2 });
    assert.is(sent[0]?.type, 'kx-error', failure);
    assert.is(commands.length, 1);
  }
});

test('an incoming tunnel that is lost is built again without a word to the client, with the same token', async () => {
  const { tunnels, client, sent, command } = await bench();
  tunnels.build(client, build('kx-build-incoming', randomBytes(32)));
  const first = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel: first.tunnel, stepMs: [] });
  tunnels.handleEvent({ type: 'tunnelClosed', tunnel: first.tunnel, failure: 'destroyed' });
  const second = await command();
  assert.ok(first.type === 'buildIncoming' && second.type === 'buildIncoming');
  assert.ok(first.token.equals(second.token));
  tunnels.handleEvent({ type: 'tunnelReady', tunnel: second.tunnel, stepMs: [] });
  assert.is(sent.length, 1);
  assert.is(tunnels.counters.rebuilt, 1);
  tunnels.close();
});

test('a tunnel whose circuit breaks is repaired over another path, whatever number of attempts that takes', async () => {
  const { tunnels, client, sent, command } = await bench();
  tunnels.build(client, build('kx-build-outgoing', randomBytes(32)));
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  tunnels.handleEvent({ type: 'tunnelBroken', tunnel, failure: 'timeout' });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const rotate = await command();
    assert.ok(rotate.type === 'rotate' && rotate.tunnel === tunnel && rotate.path.length === 3);
    if (attempt === 0)
      tunnels.handleEvent({ type: 'rotationFailed', tunnel, failure: 'unreachable', hop: 0 });
  }
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  assert.equal(
    sent.map(({ type }) => type),
    ['kx-ready'],
  );
  assert.is(tunnels.counters.repaired, 1);
  tunnels.close();
});

test('an outgoing tunnel that is lost is told', async () => {
  const { tunnels, client, sent, command } = await bench();
  tunnels.build(client, build('kx-build-outgoing', randomBytes(32)));
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  tunnels.handleEvent({ type: 'tunnelClosed', tunnel, failure: 'timeout' });
  assert.equal(
    sent.map(({ type }) => type),
    ['kx-ready', 'kx-error'],
  );
});

test('tunnels rotate by themselves, and their clients hear nothing of it', async () => {
  const { tunnels, client, sent, command } = await bench(6, 0.05);
  tunnels.build(client, build('kx-build-incoming', randomBytes(32)));
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, stepMs: [] });
  for (let round = 0; round < 3; round += 1) {
    const rotate = await command();
    assert.ok(rotate.type === 'rotate' && rotate.tunnel === tunnel);
    tunnels.handleEvent({ type: 'tunnelReady', tunnel, stepMs: [] });
  }
  assert.is(sent.length, 1);
  assert.is(tunnels.counters.rotated, 3);
  tunnels.close();
});

test('DESTROY frees the tunnel from any connection; of something unknown it is answered by ERROR', async () => {
  const { tunnels, client, command } = await bench();
  const pseudoIdentity = randomBytes(32);
  tunnels.build(client, build('kx-build-incoming', pseudoIdentity));
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, stepMs: [] });
  const others: ApiMessage[] = [];
  const other = { send: (message: ApiMessage) => others.push(message) } as unknown as ApiConnection;
  tunnels.destroy(other, pseudoIdentity);
  const destroyed = await command();
  assert.equal(destroyed, { type: 'destroy', tunnel });
  assert.is(others.length, 0);
  tunnels.destroy(other, pseudoIdentity);
  assert.ok(others[0]?.type === 'kx-error' && others[0].requestType === MESSAGE_TYPE.kxDestroy);
});

test('DESTROY of a tunnel that is being built answers its BUILD, so that the next one gets its own answer', async () => {
  const { tunnels, client, sent, command } = await bench();
  const message = build('kx-build-outgoing', randomBytes(32));
  tunnels.build(client, message);
  await command();
  tunnels.destroy(client, message.pseudoIdentity);
  assert.ok(sent[0]?.type === 'kx-error' && sent[0].requestType === MESSAGE_TYPE.kxBuildOutgoing);
  tunnels.build(client, message);
  assert.is((await command()).type, 'destroy');
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  assert.equal(
    sent.map(({ type }) => type),
    ['kx-error', 'kx-ready'],
  );
  tunnels.close();
});

test('a tunnel in whose place another one is ready ends a while later, unless it was asked for again', async () => {
  for (const wanted of [false, true]) {
    const { tunnels, client, sent, command } = await bench();
    const message = build('kx-build-incoming', randomBytes(32));
    tunnels.build(client, message);
    const { tunnel: old } = await command();
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: old, stepMs: [] });
    const extension = encodeBuildExtension({ insteadOf: exchangePoint.identity });
    const other = { ...exchangePoint, identity: randomBytes(32) };
    tunnels.build(client, { ...message, exchangePoint: other, extension });
    const { tunnel: fresh } = await command();
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: fresh, stepMs: [] });
    if (wanted) tunnels.build(client, message);
    assert.is(tunnels.status().ready, 2);
    if (wanted) await new Promise((resolve) => setTimeout(resolve, 100));
    else assert.equal(await command(), { type: 'destroy', tunnel: old });
    assert.is(tunnels.status().ready, wanted ? 2 : 1);
    // It was the tunnel of then that was replaced: one that is built there later stays, whatever rotates.
    if (!wanted) tunnels.build(client, message);
    if (!wanted) tunnels.handleEvent({ type: 'tunnelReady', tunnel: (await command()).tunnel, stepMs: [] });
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: fresh, stepMs: [] });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(tunnels.status().ready, 2);
    assert.ok(sent.every(({ type }) => type === 'kx-ready'));
    tunnels.close();
  }
});

test('both tunnels of a call of this peer with itself have the same first hop', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { tunnels, client, command } = await bench();
    const incoming = build('kx-build-incoming', randomBytes(32));
    tunnels.build(client, incoming);
    const first = await command();
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: first.tunnel, stepMs: [] });
    tunnels.build(client, { ...incoming, type: 'kx-build-outgoing' });
    const second = await command();
    assert.equal(firstHopOf(second), firstHopOf(first));
    tunnels.close();
  }
});

function firstHopOf(command: TunnelCommand): Buffer | undefined {
  return 'path' in command ? command.path[0]?.identity : undefined;
}

test('a second BUILD for a tunnel that is there is answered at once', async () => {
  const { tunnels, client, sent, commands, command } = await bench();
  const message = build('kx-build-outgoing', randomBytes(32));
  tunnels.build(client, message);
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  tunnels.build(client, message);
  assert.is(sent.length, 2);
  assert.is(commands.length, 1);
});

test('after a break the relays of the broken circuit are passed over, and so is only a first hop that is known to be gone', async () => {
  for (const failure of ['destroyed', 'unreachable'] as const) {
    const { tunnels, client, command } = await bench(12);
    tunnels.build(client, build('kx-build-incoming', randomBytes(32)));
    const first = await command();
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: first.tunnel, stepMs: [] });
    tunnels.handleEvent({ type: 'tunnelBroken', tunnel: first.tunnel, failure });
    const repair = await command();
    assert.ok(first.type === 'buildIncoming' && repair.type === 'rotate');
    const broken = first.path[failure === 'unreachable' ? 0 : 1];
    assert.not(repair.path.some(({ identity }) => identity.equals(broken?.identity ?? identity)));
  }
});

test('a first hop that is gone is replaced at once, also where the exchange point is the other pinned one', async () => {
  for (let network = 0; network < 20; network += 1) {
    const { tunnels, guards, client, command } = await bench(12, 600, 0, exchangePoint);
    tunnels.build(client, build('kx-build-incoming', randomBytes(32)));
    const first = await command();
    tunnels.handleEvent({ type: 'tunnelReady', tunnel: first.tunnel, stepMs: [] });
    tunnels.handleEvent({ type: 'tunnelBroken', tunnel: first.tunnel, failure: 'unreachable' });
    const repair = await command();
    assert.ok(first.type === 'buildIncoming' && repair.type === 'rotate');
    assert.not(repair.path[0]?.identity.equals(first.path[0]?.identity ?? exchangePoint.identity));
    const pinned = guards.first.members.filter(({ identity }) => identity.equals(exchangePoint.identity));
    assert.is(pinned.length, 1, 'the exchange point is a pinned first hop');
    assert.ok(guards.first.members.length === 3);
    tunnels.close();
  }
});

test('a tunnel whose last connection is gone is reaped when it is not used, and stays once somebody asks again', async () => {
  const { tunnels, client, command } = await bench();
  const message = build('kx-build-outgoing', randomBytes(32));
  tunnels.build(client, message);
  const { tunnel } = await command();
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, address: '10.20.0.2', stepMs: [] });
  tunnels.forgetClient(client);
  assert.equal(await command(), { type: 'reap', tunnel, afterSeconds: 3_600 });
  tunnels.build(client, message);
  assert.equal(await command(), { type: 'reap', tunnel, afterSeconds: 0 });
  tunnels.forgetClient(client);
  tunnels.handleEvent({ type: 'tunnelClosed', tunnel, failure: 'idle' });
  assert.is(tunnels.status().tunnels, 0);
});

test('a tunnel that loses much of its data goes over to other relays', async () => {
  const { tunnels, client, command } = await bench(12);
  tunnels.build(client, build('kx-build-incoming', randomBytes(32)));
  const first = await command();
  tunnels.handleEvent({ type: 'tunnelLossy', tunnel: first.tunnel });
  tunnels.handleEvent({ type: 'tunnelReady', tunnel: first.tunnel, stepMs: [] });
  tunnels.handleEvent({ type: 'tunnelLossy', tunnel: first.tunnel });
  const other = await command();
  assert.ok(first.type === 'buildIncoming' && other.type === 'rotate');
  // A first hop may have been second before, so that every pinned one is suspected; the pair is another in any case.
  const pair = (path: readonly Hop[]) => path.slice(0, 2).map(({ identity }) => identity.toString('hex'));
  assert.not.equal(pair(other.path), pair(first.path));
  assert.is(tunnels.status().counters.lossy, 1);
});

test('where the other end does not answer, other hops are tried and none is blamed', async () => {
  const { tunnels, guards, forgotten, client, command } = await bench(12);
  tunnels.build(client, build('kx-build-outgoing', randomBytes(32)));
  const first = await command();
  tunnels.handleEvent({ type: 'tunnelFailed', tunnel: first.tunnel, failure: 'timeout', hop: 2 });
  const other = await command();
  assert.ok(first.type === 'buildOutgoing' && other.type === 'buildOutgoing');
  const pair = (path: readonly Hop[]) => path.slice(0, 2).map(({ identity }) => identity.toString('hex'));
  assert.not.equal(pair(other.path), pair(first.path));
  tunnels.handleEvent({ type: 'tunnelFailed', tunnel: other.tunnel, failure: 'exhausted', hop: 0 });
  assert.equal(forgotten, []);
  assert.ok([...guards.first.members, ...guards.second.members].every(({ failures }) => failures === 0));
  tunnels.close();
});

test('the tunnel key of a BUILD extension goes to the engine, again with each new build, and a bad extension is an ERROR', async () => {
  const { tunnels, client, sent, command } = await bench();
  const key = randomBytes(32);
  const message = {
    ...build('kx-build-incoming', randomBytes(32)),
    extension: encodeBuildExtension({ tunnelSecret: key }),
  };
  tunnels.build(client, message);
  const told = await command();
  const { tunnel } = await command();
  assert.equal(told, { type: 'setExtension', tunnel, key });
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, stepMs: [] });
  tunnels.handleEvent({ type: 'tunnelClosed', tunnel, failure: 'destroyed' });
  const toldAgain = await command();
  const second = await command();
  assert.equal(toldAgain, { type: 'setExtension', tunnel: second.tunnel, key });
  tunnels.build(client, { ...build('kx-build-outgoing', randomBytes(32)), extension: Buffer.from([1]) });
  assert.is(sent.at(-1)?.type, 'kx-error');
});

test('a BUILD for a tunnel that is there renews registration and port, and an older registration does not come back', async () => {
  const { tunnels, client, sent, command } = await bench();
  const soon = BigInt(Math.floor(Date.now() / 1000)) + 7_200n;
  const registration = (time: bigint) => ({
    secret: randomBytes(32),
    time,
    expiry: soon,
    signature: randomBytes(64),
  });
  const pseudoIdentity = randomBytes(32);
  const order = (extension: BuildExtension) =>
    tunnels.build(client, {
      ...build('kx-build-incoming', pseudoIdentity),
      extension: encodeBuildExtension(extension),
    });
  const [first, second, third] = [registration(5n), registration(7n), registration(6n)];
  order({ registration: first, port: 40_001 });
  const told = await command();
  const { tunnel } = await command();
  assert.equal(told, { type: 'setExtension', tunnel, registration: first, port: 40_001 });
  tunnels.handleEvent({ type: 'tunnelReady', tunnel, stepMs: [] });
  order({ registration: second });
  assert.equal(await command(), { type: 'setExtension', tunnel, registration: second, port: 40_001 });
  order({ registration: third, port: 40_002 });
  assert.equal(await command(), { type: 'setExtension', tunnel, registration: second, port: 40_002 });
  assert.is(sent.filter(({ type }) => type === 'kx-ready').length, 3);
});

test.run();

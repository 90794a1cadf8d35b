import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { compareDistance } from '../../../src/dht/distance.js';
import { Diversity } from '../../../src/dht/diversity.js';
import { type AskCallbacks, Lookup } from '../../../src/dht/lookup.js';

const test = suite('dht lookup');
const target = Buffer.alloc(32);

/** A contact whose distance to the target is `far`. */
function contactAt(far: number, host = '10.0.0.1'): Contact {
  const position = Buffer.alloc(32);
  position.writeUInt32BE(far);
  const identity = randomBytes(32);
  const rest = { proof: { epoch: 0, nonce: Buffer.alloc(8) }, ipv6: null, port: 3000 };
  return { id: identity.toString('hex'), identity, key: randomBytes(32), position, ipv4: host, ...rest };
}

const contactsAt = (...far: number[]) => far.map((one) => contactAt(one));

/** A world in which the caller says what each node answers, at once or later. */
class World {
  readonly asked: Contact[] = [];
  readonly waiting = new Map<string, AskCallbacks>();
  readonly hedges = new Map<string, () => void>();
  readonly log: string[] = [];
  constructor(readonly answers: (contact: Contact) => readonly Contact[] | 'silent') {}

  lookup(
    start: readonly Contact[],
    options: {
      width?: number;
      thorough?: number;
      caps?: 'on';
      suffices?: (waitedFor: number) => boolean;
    } = {},
  ): Lookup {
    const sorted = [...start].sort((a, b) => compareDistance(target, a.position, b.position));
    const lookup = new Lookup(
      {
        target,
        width: options.width ?? 3,
        start: sorted.slice(0, (options.width ?? 3) + 1),
        roots: () => sorted,
        ownId: 'self',
        thorough: () => options.thorough ?? 0,
        suffices: options.suffices ?? (() => false),
        diversity: new Diversity(options.caps ?? 'off', { size: 0, contacts: () => [] }),
        onSettled: () => this.log.push('settled'),
        onExplored: () => this.log.push('explored'),
        onDone: () => this.log.push('done'),
      },
      {
        hedge: (contact, run) => {
          this.hedges.set(contact.id, run);
          return () => this.hedges.delete(contact.id);
        },
        ask: (contact, on) => {
          this.asked.push(contact);
          const answer = this.answers(contact);
          if (answer === 'silent') {
            this.waiting.set(contact.id, on);
            return;
          }
          on.onContacts(answer);
          on.onEnd();
        },
      },
    );
    return lookup.run();
  }
}

test('it ends with the closest nodes and asks none twice', () => {
  const near = contactsAt(1, 2, 3, 4, 5);
  const middle = contactsAt(100, 200, 300);
  const world = new World((contact) => (middle.includes(contact) ? near : [...near, ...middle]));
  const lookup = world.lookup(middle);
  assert.equal(world.log, ['settled', 'explored', 'done']);
  assert.equal(lookup.answered(3), near.slice(0, 3));
  assert.is(new Set(world.asked).size, world.asked.length);
  assert.equal(lookup.pathTo(near[0] as Contact).length, 2);
});

test('a silent node holds up nothing: after its hedge time the next is asked, and its late answer still counts', () => {
  const [a, b, c, d] = contactsAt(1, 2, 3, 4) as [Contact, Contact, Contact, Contact];
  const world = new World((contact) => (contact === a ? 'silent' : []));
  const lookup = world.lookup([a, b, c, d]);
  assert.equal(world.log, []);
  world.hedges.get(a.id)?.();
  assert.equal(world.log, ['settled', 'explored']);
  assert.equal(lookup.answered(), [b, c, d]);
  world.waiting.get(a.id)?.onContacts([]);
  world.waiting.get(a.id)?.onEnd();
  assert.equal(world.log, ['settled', 'explored', 'done']);
  assert.equal(lookup.answered(1), [a]);
});

test('a node is agreed upon where two tell of it, and nobody with another key or address', () => {
  const start = contactsAt(100, 200, 300);
  const [one, two, three] = contactsAt(1, 2, 3) as [Contact, Contact, Contact];
  const otherKey = { ...three, key: randomBytes(32) };
  const answers = new Map([
    [start[0], [one, two, three]],
    [start[1], [two, three]],
    [start[2], [two, otherKey]],
  ]);
  const world = new World((contact) => answers.get(contact) ?? []);
  const lookup = world.lookup(start, { width: 6 });
  assert.equal(
    [one, two, three].map((contact) => lookup.isAgreed(contact)),
    [false, true, false],
  );
});

test('nobody else is asked while what is waited for may suffice; who is slow is not waited for', () => {
  const [a, b, c, d, e] = contactsAt(1, 2, 3, 4, 5) as [Contact, Contact, Contact, Contact, Contact];
  const world = new World(() => 'silent');
  let found = 0;
  world.lookup([a, b, c, d, e], { width: 5, suffices: (waitedFor) => found > 0 && found + waitedFor >= 3 });
  const answer = (contact: Contact) => {
    found += 1;
    world.waiting.get(contact.id)?.onContacts([]);
    world.waiting.get(contact.id)?.onEnd();
  };
  assert.equal(world.asked, [a, b, c]);
  answer(a);
  answer(b);
  assert.equal(world.asked, [a, b, c], 'the third may be the last');
  world.hedges.get(c.id)?.();
  assert.equal(world.asked, [a, b, c, d]);
});

test('enough ends it at once, whoever has not answered yet', () => {
  const [a, b] = contactsAt(1, 2) as [Contact, Contact];
  const world = new World(() => 'silent');
  const lookup = world.lookup([a, b]);
  lookup.enough();
  assert.equal(world.log, ['settled', 'done']);
  world.waiting.get(a.id)?.onContacts(contactsAt(3, 4));
  world.waiting.get(a.id)?.onEnd();
  assert.equal(world.log, ['settled', 'done']);
  assert.is(world.asked.length, 2);
});

test('colluders close to the target hide it from a plain lookup, not from a thorough one', () => {
  // All we know are colluders and one honest node that is farther away; only it knows who is closest.
  const colluders = contactsAt(10, 11, 12, 13, 14, 15, 16, 17);
  const honest = contactAt(1_000_000);
  const closest = contactsAt(1, 2, 3);
  const answers = (contact: Contact) => (contact === honest ? closest : colluders.slice(0, 3));
  const start = [...colluders.slice(0, 4), honest];
  const plain = new World(answers);
  plain.lookup(start);
  assert.not.ok(plain.asked.includes(honest));
  const thorough = new World(answers);
  const lookup = thorough.lookup(start, { thorough: 5 });
  assert.equal(thorough.log, ['settled', 'explored', 'done']);
  assert.equal(lookup.answered(3), closest);
});

test('colluders who name ever new colluders get no more than their share of the requests', () => {
  let far = 1_000_000;
  const honest = contactsAt(2_000_000, 2_000_001);
  const [near] = contactsAt(5) as [Contact];
  const world = new World((contact) => {
    if (honest.includes(contact)) return [near];
    return contact === near ? [] : Array.from({ length: 16 }, () => contactAt(far--));
  });
  const lookup = world.lookup([...contactsAt(10, 11, 12, 13), ...honest], { thorough: 5 });
  assert.equal(world.log, ['settled', 'explored', 'done']);
  assert.is(lookup.answered(1)[0], near);
  assert.ok(world.asked.length <= 320, `${world.asked.length} requests`);
});

test('a thorough search ends after many chains that bring nobody among the closest, and goes on for each that does', () => {
  const near = contactsAt(1, 2, 3);
  const far = contactsAt(...Array.from({ length: 220 }, (_, index) => 1_000 + index));
  const world = new World(() => near);
  world.lookup(far, { thorough: 20 });
  assert.equal(world.log, ['settled', 'explored', 'done']);
  const asked = world.asked.length;
  assert.ok(asked >= 96 && asked < 132, `${asked} asked`);

  const hidden = contactAt(0);
  const late = world.asked[60] as Contact;
  const other = new World((contact) => (contact === late ? [hidden, ...near] : near));
  other.lookup(far, { thorough: 20 });
  assert.ok(other.asked.includes(hidden));
  assert.ok(other.asked.length > asked + 50, `${other.asked.length} asked`);
});

test('a wrong address told first does not hide a node whose right one is told later', () => {
  const [near, far] = contactsAt(1, 100) as [Contact, Contact];
  const wrong = { ...near, ipv4: '10.9.9.9' };
  const liar = contactAt(50);
  const world = new World((contact) => {
    if (contact === liar) return [wrong];
    if (contact === far) return [near];
    return contact === wrong ? 'silent' : [];
  });
  const lookup = world.lookup([liar, far]);
  world.waiting.get(wrong.id)?.onFailed();
  assert.equal(world.log, ['settled', 'explored', 'done']);
  assert.ok(lookup.answered(1)[0] === near);
});

test('contacts of one prefix do not crowd out the others among the closest', () => {
  const crowd = Array.from({ length: 30 }, (_, index) => contactAt(index + 1, `203.0.113.${index}`));
  const others = [7, 8, 9].map((net) => contactAt(1_000 + net, `198.51.${net}.1`));
  const world = new World(() => []);
  const lookup = world.lookup([...crowd, ...others], { caps: 'on' });
  assert.equal(world.log, ['settled', 'explored', 'done']);
  assert.equal(world.asked.filter((contact) => crowd.includes(contact)).length, 1);
  assert.equal(lookup.answered().length, 3);
});

test.run();

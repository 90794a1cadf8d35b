/**
 * Role: the VoIP module as a process: pseudo-identities, their registrations, the telephone, the control verbs.
 *
 * Not here: each of them; command line, signals and control socket (src/cli, src/api/daemon.ts).
 */

import { randomInt } from 'node:crypto';
import * as v from 'valibot';
import type { Daemon } from '../api/daemon.js';
import { steadyClock } from '../clock.js';
import type { Config } from '../config/config.js';
import { definedOnly } from '../defined-only.js';
import { CallHandshake } from '../engine/call-handshake.js';
import { PeerError } from '../errors.js';
import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import {
  type NamedPseudoIdentity,
  PseudoIdentityStore,
  publicView,
} from '../identity/pseudo-identity-store.js';
import type { Logger } from '../log.js';
import { MESSAGE_TYPE } from '../wire/message.js';
import type { Call } from './call.js';
import { CallLog, entryOf, type LoggedCall, missedEntry } from './call-log.js';
import { CallerRules } from './caller-rules.js';
import { Contacts } from './contacts.js';
import { DeafVoice } from './deaf-voice.js';
import { dial } from './dialler.js';
import { Entrances } from './entrances.js';
import { FakeCalls } from './fake-calls.js';
import { KxLink } from './kx-link.js';
import { Media } from './media.js';
import { Notifications } from './notifications.js';
import { OwnIdentities } from './own-identities.js';
import { Registration, type RegistrationState } from './registration.js';
import { Telephone } from './telephone.js';
import { Tones } from './tones.js';

/** How often new and removed pseudo-identities are noticed. */
const IDENTITIES_EVERY_MS = 2_000;
/** Several pseudo-identities begin at random moments within this. */
const STAGGER_MS = 20_000;
const STATISTICS_EVERY_MS = 1_000;
/** Calls that were left to ring and are remembered, within this time. */
const MAX_MISSED = 20;
const MISSED_WITHIN_MS = 3_600_000;

const DialArguments = v.object({ to: v.string(), from: v.optional(v.string()) });
/** Which call; without it the one that a person means. */
const callId = v.optional(v.pipe(v.number(), v.safeInteger()));
const CallArguments = v.optional(v.object({ call: callId }), {});
const MuteArguments = v.object({ muted: v.boolean(), call: callId });
const HoldArguments = v.object({ held: v.boolean(), call: callId });
const DeviceArguments = v.object({ device: v.picklist(['input', 'output']), name: v.optional(v.string()) });
/** The newest ones, but those that are skipped; so many fit into a line. */
const CallsArguments = v.optional(
  v.object({
    count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)), 100),
    skip: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  }),
  {},
);
const UnlockArguments = v.object({ name: v.string(), seed: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });
const WordsArguments = v.object({ words: v.picklist(['same', 'different']), call: callId });

const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(3_600_000)));
const FakeCallArguments = v.optional(v.object({ ringMs: milliseconds, talkMs: milliseconds }), {});

export interface VoipOptions {
  /** Accept every call at once. */
  readonly autoAnswer: boolean;
}

/** Starts the module. Errors: 'config', 'identity-file', 'contacts-file', 'ADDON_MISSING'. */
export async function startVoip(config: Config, log: Logger, options: VoipOptions): Promise<Daemon> {
  const { dht, kx, voip, tunIp } = requireSections(config);
  CallHandshake.prepare();
  const own = new OwnIdentities(new PseudoIdentityStore(config.stateDir));
  const contacts = new Contacts(config.stateDir);
  const rules = new CallerRules(config.stateDir, steadyClock);
  const callLog = new CallLog(config.stateDir, voip.callLog);
  let refusedStrangers = 0;
  /** As configured, until a person chooses others. */
  const devices = { audioInput: voip.audioInput, audioOutput: voip.audioOutput };
  const endpoint = { host: dht.host, port: dht.port };
  const link = new KxLink({ host: kx.host, port: kx.port }, log);
  const registrations = new Map<string, Registration>();
  let broadcast: (event: string, data: unknown) => void = () => {};
  let closed = false;
  let identities: readonly NamedPseudoIdentity[] = [];

  /** Those of fake calls, which nobody sees. */
  const fakes = new Set<NamedPseudoIdentity>();
  const register = (
    identity: NamedPseudoIdentity,
    startAfterMs: number,
    onChange: (state: RegistrationState) => void,
  ) =>
    new Registration({
      identity,
      dht: endpoint,
      kx: link,
      hops: kx.hops,
      voipPort: () => entrances.portOf(identity.publicKey) ?? voip.port,
      extensions: kx.extensions,
      log,
      startAfterMs,
      isBusy: () =>
        fakes.has(identity)
          ? fakeCalls.isGoingOn
          : telephone.calls.some((call) => call.identity === identity.name),
      onChange,
    });
  const refresh = async () => {
    const listed = await own.list();
    if (closed) return;
    identities = listed;
    entrances.serve([...identities, ...fakes]);
    const wanted = new Map([...identities, ...fakes].map((identity) => [keyOf(identity), identity]));
    for (const [key, registration] of registrations) {
      if (wanted.has(key)) continue;
      registrations.delete(key);
      void registration.stop();
    }
    for (const [key, identity] of wanted) {
      if (registrations.has(key)) continue;
      const onChange = (state: RegistrationState) =>
        broadcast('identity', { ...publicView(identity), state });
      registrations.set(key, register(identity, wanted.size > 1 ? randomInt(STAGGER_MS) : 0, onChange));
    }
  };
  link.onBroken = () => {
    for (const registration of registrations.values()) registration.restart();
  };
  link.onUnsolicited = (message) => {
    // Only a lost incoming tunnel: the ERROR of a DESTROY or of an outgoing tunnel says nothing about it.
    if (message.type !== 'kx-error' || message.requestType !== MESSAGE_TYPE.kxBuildIncoming) return;
    registrations.get(message.pseudoIdentity.toString('hex'))?.restart();
  };
  const remember = (call: LoggedCall) => {
    callLog
      .add(call)
      .catch((error: unknown) => log.warn({ err: error }, 'a call is missing in the call log'));
  };
  /** Whoever makes new pseudo-identities without end must not push all others out of the call log. */
  let logged: number[] = [];
  const mayLog = () => {
    const now = steadyClock.now();
    logged = logged.filter((atMs) => now - atMs < MISSED_WITHIN_MS);
    if (logged.length >= MAX_MISSED) return false;
    logged.push(now);
    return true;
  };
  const localAddress = tunIp.address;
  const dialOptions = { dht: endpoint, kx: link, hops: kx.hops, extensions: kx.extensions, localAddress };
  const common = {
    clock: steadyClock,
    ringMs: voip.ringSeconds * 1000,
    dial: (call: Call, local: PseudoIdentity, remote: Buffer, signal: AbortSignal) =>
      dial(call, local, remote, dialOptions, signal),
    log,
  };
  const notifications = new Notifications({ mode: voip.notify, ringMs: voip.ringSeconds * 1000 });
  const tones = new Tones({ config: voip, loudspeaker: () => devices.audioOutput, log });
  const telephone = new Telephone({
    ...common,
    openVoice: (port) => new Media({ ...voip, ...devices }, localAddress, port),
    release: async (remote) => {
      // One of our own pseudo-identities keeps its incoming tunnel.
      if (identities.some(({ publicKey }) => publicKey.equals(remote))) return;
      const client = await link.get().catch(() => null);
      client?.destroy(remote);
    },
    contactOf: (publicKey) => contacts.of(publicKey),
    judge: (ringing) => rules.judge(ringing),
    identities: () => identities,
    autoAnswer: options.autoAnswer,
    onCall: (call) => {
      notifications.changed(call);
      tones.changed(call);
      if (call.state !== 'ended') fakeCalls.giveWay();
      if (call.state === 'active') rules.answered(call.identity ?? '', call.remote);
      log.info({ call: call.id, direction: call.direction, state: call.state, reason: call.reason }, 'call');
      broadcast('call', call);
      if (call.state === 'ended') remember(entryOf(call, Math.floor(Date.now() / 1000)));
    },
    onMissed: (missed) => {
      broadcast('missed', missed);
      if (mayLog()) remember(missedEntry(missed, Math.floor(Date.now() / 1000)));
    },
  });
  const entrances = new Entrances({
    apart: kx.extensions,
    address: localAddress,
    port: voip.port,
    onCaller: async (caller) => {
      if (!fakeCalls.welcome(caller)) await telephone.welcome(caller);
    },
    onRefused: () => {
      refusedStrangers += 1;
    },
    onMoved: (publicKey) => registrations.get(publicKey.toString('hex'))?.moved(),
    log,
  });
  const fakeCalls = new FakeCalls({
    ...common,
    callsPerDay: voip.fakeCallsPerDay,
    fraction: () => randomInt(2 ** 32) / 2 ** 32,
    publish: (identity) => {
      fakes.add(identity);
      entrances.serve([...identities, ...fakes]);
      const registration = register(identity, 0, () => {});
      registrations.set(keyOf(identity), registration);
      return () => registration.state === 'registered';
    },
    withdraw: async (identity) => {
      fakes.delete(identity);
      entrances.serve([...identities, ...fakes]);
      const registration = registrations.get(keyOf(identity));
      registrations.delete(keyOf(identity));
      await registration?.stop();
    },
    openVoice: (port) => new Media(voip, localAddress, port, true),
    openDeafVoice: (port) => new DeafVoice(localAddress, port),
    isBusy: () => telephone.calls.length > 0,
  });
  await refresh();
  for (const { name } of own.locked)
    log.warn({ name }, 'a passphrase protects this pseudo-identity; to use it: peer id unlock NAME -c FILE');
  const refreshTimer = setInterval(() => {
    refresh().catch((error: unknown) => log.warn({ err: error }, 'pseudo-identities cannot be read'));
  }, IDENTITIES_EVERY_MS);
  const statisticsTimer = setInterval(() => {
    const statistics = telephone.statistics();
    if (statistics !== null) broadcast('statistics', statistics);
  }, STATISTICS_EVERY_MS);

  return {
    status: () => ({
      listening: entrances.listening,
      identities: [...registrations.values()]
        .filter(({ identity }) => !fakes.has(identity))
        .map(({ identity, state }) => ({ ...publicView(identity), state: state as string }))
        .concat(own.locked.map((view) => ({ ...view, state: 'locked' }))),
      devices,
      call: telephone.call,
      calls: telephone.calls,
      statistics: telephone.statistics(),
      counters: { ...telephone.counters, refusedStrangers },
      fakeCalls: fakeCalls.counters,
    }),
    handlers: {
      call: async (args) => {
        const { to, from } = parseArguments(DialArguments, args);
        const remote = await contacts.resolve(to);
        return telephone.dial(remote, (await contacts.of(remote))?.name, from);
      },
      accept: (args) => telephone.accept(parseArguments(CallArguments, args).call),
      decline: (args) => telephone.decline(parseArguments(CallArguments, args).call),
      hangup: (args) => telephone.end(parseArguments(CallArguments, args).call),
      mute: (args) => {
        const { muted, call } = parseArguments(MuteArguments, args);
        return telephone.setMuted(muted, call);
      },
      hold: (args) => {
        const { held, call } = parseArguments(HoldArguments, args);
        return telephone.setHeld(held, call);
      },
      device: (args) => {
        const { device, name } = parseArguments(DeviceArguments, args);
        devices[device === 'input' ? 'audioInput' : 'audioOutput'] = name ?? null;
        telephone.setDevice(device, name);
        return devices;
      },
      words: (args) => {
        const { words, call } = parseArguments(WordsArguments, args);
        return contacts.setWords(telephone.pick(call).remote, words);
      },
      'fake-call': (args) => {
        fakeCalls.begin(definedOnly(parseArguments(FakeCallArguments, args)));
        return true;
      },
      calls: async (args) => {
        const { count, skip } = parseArguments(CallsArguments, args);
        const calls = await callLog.list();
        return calls.slice(0, Math.max(calls.length - skip, 0)).slice(-count);
      },
      unlock: async (args) => {
        const { name, seed } = parseArguments(UnlockArguments, args);
        const view = await own.unlock(name, Buffer.from(seed, 'hex'));
        await refresh();
        return view;
      },
      'clear-calls': () => callLog.clear(),
    },
    attachEvents: (send) => {
      broadcast = send;
    },
    close: async () => {
      closed = true;
      clearInterval(refreshTimer);
      clearInterval(statisticsTimer);
      tones.close();
      await Promise.all([telephone.close(), fakeCalls.close(), entrances.close()]);
      await Promise.all([...registrations.values()].map((registration) => registration.stop()));
      link.close();
    },
  };
}

function keyOf({ publicKey }: NamedPseudoIdentity): string {
  return publicKey.toString('hex');
}

function requireSections(config: Config) {
  const { dht, kx, voip } = config;
  if (dht !== null && kx !== null && voip !== null && kx.tunIp !== null)
    return { dht, kx, voip, tunIp: kx.tunIp };
  const missing = [
    ...(dht === null ? ['[DHT]'] : []),
    ...(kx === null ? ['[KX]'] : []),
    ...(voip === null ? ['[VOIP]'] : []),
    ...(kx !== null && kx.tunIp === null ? ['TUN_IP in [KX]'] : []),
  ];
  throw new PeerError('config', `${config.file}: the VoIP module needs ${missing.join(' and ')}`, {
    remedy: 'Add what is missing; `peer init` writes an example.',
  });
}

function parseArguments<Schema extends v.GenericSchema>(
  schema: Schema,
  args: unknown,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, args);
  if (parsed.success) return parsed.output;
  throw new PeerError(
    'arguments',
    `wrong arguments: ${parsed.issues.map((issue) => issue.message).join('; ')}`,
  );
}

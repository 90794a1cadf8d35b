/**
 * Role: telephones of production code in virtual time, over connections and voices that are stand-ins.
 *
 * Invariants: what a telephone sees of a connection is what ControlChannel would show: messages in order, an end once;
 * connections can break (both sides see it) or fall silent (nobody sees anything).
 *
 * Not here: what the telephones are made to do (scenarios, tests).
 */

import type { VoiceStatistics } from '../../engine/audio.js';
import { formatPseudoIdentity, generatePseudoIdentity } from '../../identity/pseudo-identity.js';
import type { NamedPseudoIdentity } from '../../identity/pseudo-identity-store.js';
import { createLogger } from '../../log.js';
import type { CallView } from '../../voip/call.js';
import type {
  ControlConnection,
  Listener,
  Voice,
  VoiceKeys,
  VoiceTarget,
} from '../../voip/control-connection.js';
import type { ControlMessage } from '../../voip/control-message.js';
import { DialFailure, type Dialled } from '../../voip/dialler.js';
import { Telephone } from '../../voip/telephone.js';
import type { Missed, TelephoneOptions } from '../../voip/telephone-options.js';
import type { VirtualClock } from './virtual-clock.js';

const RING_MS = 45_000;
const FIRST_MESSAGE_MS = 10_000;
/** One way through a tunnel. */
const DELAY_MS = 140;

/** One end of a connection. */
export class VirtualConnection implements ControlConnection {
  readonly voiceKeys: VoiceKeys;
  #other: VirtualConnection | null = null;
  #listener: Listener | null = null;
  readonly #backlog: ControlMessage[] = [];
  #ended = false;
  #closed = false;
  /** What is sent is lost from now on. */
  silent = false;

  private constructor(
    readonly local: Buffer,
    readonly remote: Buffer,
    readonly remoteAddress: string,
    readonly words: string,
    private readonly clock: VirtualClock,
    keys: [string, string],
  ) {
    this.voiceKeys = { sendKey: Buffer.from(keys[0]), receiveKey: Buffer.from(keys[1]) };
  }

  static pair(clock: VirtualClock, number: number, caller: Buffer, callee: Buffer): VirtualConnection[] {
    const [there, back] = [`${number} there`, `${number} back`];
    const words = `words ${number}`;
    const left = new VirtualConnection(caller, callee, '10.0.0.1', words, clock, [there, back]);
    const right = new VirtualConnection(callee, caller, '10.0.0.2', words, clock, [back, there]);
    left.#other = right;
    right.#other = left;
    return [left, right];
  }

  get isOpen(): boolean {
    return !this.#closed && !this.#ended;
  }

  send(message: ControlMessage): void {
    if (this.#ended || this.#closed) return;
    this.#later((other) => other.#take(message));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#later((other) => other.#close());
  }

  listen(listener: Listener | null): void {
    this.#listener = listener;
    while (this.#listener !== null) {
      const message = this.#backlog.shift();
      if (message === undefined) break;
      this.#listener.onMessage(message);
    }
    if (this.#closed) this.#listener?.onClose();
  }

  /** Both sides see that it is gone. */
  break(): void {
    this.#close();
    if (this.#other !== null) this.#other.#close();
  }

  /** Nothing gets through any more, and nobody is told. */
  fallSilent(): void {
    this.silent = true;
    if (this.#other !== null) this.#other.silent = true;
  }

  #later(run: (other: VirtualConnection) => void): void {
    const other = this.#other;
    if (other === null) return;
    this.clock.setTimer(DELAY_MS, () => {
      if (!this.silent) run(other);
    });
  }

  #take(message: ControlMessage): void {
    if (this.#ended || this.#closed) return;
    if (this.#listener === null) this.#backlog.push(message);
    else this.#listener.onMessage(message);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#ended) this.#listener?.onClose();
  }
}

/** Keys, target and switches of a voice, instead of sound. */
export class VirtualVoice implements Voice {
  sendKey: string | null = null;
  receiveKeys: string[] = [];
  target: VoiceTarget | null = null;
  muted = false;
  held = false;

  constructor(
    readonly port: number,
    private readonly open: Set<VirtualVoice>,
    private readonly clock: VirtualClock | null = null,
  ) {
    open.add(this);
  }

  start({ sendKey, receiveKey }: VoiceKeys, remote: VoiceTarget): void {
    this.sendKey = sendKey.toString();
    this.receiveKeys = [receiveKey.toString()];
    this.target = remote;
  }

  receiveWith(key: Buffer): void {
    this.receiveKeys = [...this.receiveKeys.slice(-1), key.toString()];
  }

  sendWith(key: Buffer, remote: VoiceTarget): void {
    this.sendKey = key.toString();
    this.target = remote;
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
  }

  setHeld(held: boolean): void {
    this.held = held;
  }

  setDevice(): void {}

  statistics(): VoiceStatistics | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    const { clock } = this;
    if (clock !== null) await new Promise<void>((resolve) => clock.setTimer(1_000, resolve));
    this.open.delete(this);
  }
}

export interface VirtualTelephoneOptions {
  readonly identities?: readonly NamedPseudoIdentity[];
  readonly autoAnswer?: boolean;
  /** Closing a voice takes a second. */
  readonly slowVoice?: boolean;
  readonly judge?: TelephoneOptions['judge'];
}

export interface VirtualTelephone {
  readonly telephone: Telephone;
  readonly identities: readonly NamedPseudoIdentity[];
  readonly id: Buffer;
  /** Every change of its calls, oldest first. */
  readonly views: CallView[];
  readonly voices: Set<VirtualVoice>;
  readonly missed: Missed[];
  /** Whose outgoing tunnels were freed. */
  readonly released: Buffer[];
  /** Whether connections to it come about. */
  reachable: boolean;
}

export class VirtualTelephones {
  readonly #all: VirtualTelephone[] = [];
  /** All connections that are not over, and both ends of each. */
  readonly #connections = new Set<VirtualConnection>();
  #next = 1;
  #nextPort = 10_000;

  constructor(
    readonly clock: VirtualClock,
    /** How long it takes to find somebody and to build a tunnel. */
    readonly setUpMs: () => number = () => 1_000,
  ) {}

  get openVoices(): number {
    return this.#all.reduce((sum, { voices }) => sum + voices.size, 0);
  }

  get openConnections(): VirtualConnection[] {
    for (const one of this.#connections) if (!one.isOpen) this.#connections.delete(one);
    return [...this.#connections];
  }

  add(options: VirtualTelephoneOptions = {}): VirtualTelephone {
    const identities = options.identities ?? [namedIdentity(`person${this.#all.length}`)];
    const views: CallView[] = [];
    const voices = new Set<VirtualVoice>();
    const missed: Missed[] = [];
    const released: Buffer[] = [];
    const telephone = new Telephone({
      clock: this.clock,
      ringMs: RING_MS,
      openVoice: () =>
        new VirtualVoice(this.#nextPort++, voices, options.slowVoice === true ? this.clock : null),
      dial: (call, local, remote, signal) =>
        this.#dial(local.publicKey, remote, signal, (kind) => call.go({ kind })),
      release: async (remote) => {
        released.push(remote);
      },
      contactOf: async () => undefined,
      judge: options.judge ?? (async () => 'ring'),
      identities: () => identities,
      autoAnswer: options.autoAnswer ?? false,
      log: createLogger({ level: 'silent', name: 'virtual' }),
      onCall: (view) => views.push(view),
      onMissed: (one) => missed.push(one),
    });
    const [first] = identities as [NamedPseudoIdentity];
    const one = {
      telephone,
      identities,
      id: first.publicKey,
      views,
      voices,
      missed,
      released,
      reachable: true,
    };
    this.#all.push(one);
    return one;
  }

  async #dial(
    local: Buffer,
    remote: Buffer,
    signal: AbortSignal,
    go: (kind: 'building' | 'connecting') => void,
  ): Promise<Dialled> {
    const wait = (ms: number) =>
      new Promise<void>((resolve, reject) => {
        const timer = this.clock.setTimer(ms, resolve);
        const abort = () => {
          this.clock.clearTimer(timer);
          reject(new DialFailure('hung-up'));
        };
        if (signal.aborted) abort();
        signal.addEventListener('abort', abort, { once: true });
      });
    await wait(this.setUpMs() / 2);
    const callee = this.#all.find(({ identities }) =>
      identities.some(({ publicKey }) => publicKey.equals(remote)),
    );
    if (callee === undefined) throw new DialFailure('unknown-identity');
    go('building');
    await wait(this.setUpMs() / 2);
    go('connecting');
    const connection = await this.#connect(local, remote, callee);
    return { connection, again: () => this.#connect(local, remote, callee) };
  }

  async #connect(local: Buffer, remote: Buffer, callee: VirtualTelephone): Promise<ControlConnection> {
    await new Promise<void>((resolve) => this.clock.setTimer(4 * DELAY_MS, resolve));
    if (!callee.reachable) throw new DialFailure('not-reachable');
    const [mine, theirs] = VirtualConnection.pair(this.clock, this.#next++, local, remote) as [
      VirtualConnection,
      VirtualConnection,
    ];
    this.#connections.add(mine).add(theirs);
    const timer = this.clock.setTimer(FIRST_MESSAGE_MS, () => theirs.end());
    theirs.listen({
      onMessage: (first) => {
        if (first.type !== 'invite' && first.type !== 'resume') return;
        this.clock.clearTimer(timer);
        theirs.listen(null);
        void callee.telephone.welcome({ connection: theirs, first, localPort: 5060 });
      },
      onClose: () => this.clock.clearTimer(timer),
    });
    return mine;
  }
}

export function namedIdentity(name: string): NamedPseudoIdentity {
  return { ...generatePseudoIdentity(), name, createdSeconds: 0 };
}

/** Text of a telephone's first pseudo-identity. */
export function textOf({ id }: VirtualTelephone): string {
  return formatPseudoIdentity(id);
}

/**
 * Role: somebody who uses a peer: a voice, and a sound server with a microphone and a loudspeaker of their own.
 *
 * Invariants: the sound server is the person's alone (own socket, own home), and ends with the network.
 *
 * Not here: the peer (peer-network.ts), the call.
 */

import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PeerError } from '../../errors.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import { configurePipeWire, PIPEWIRE_COMMANDS } from './private-pipewire.js';

const START_MS = 15_000;
const POLL_MS = 50;
/** Null sinks: what is played into the first is what the microphone hears. */
const MICROPHONE = 'microphone';
const LOUDSPEAKER = 'loudspeaker';

export interface Voice {
  /** Of espeak-ng. */
  readonly voice: string;
  readonly text: string;
}

export class Person {
  readonly peer: NetworkPeer;
  readonly directory: string;
  readonly #network: PeerNetwork;
  #sound: ChildProcess | null = null;

  constructor(network: PeerNetwork, peer: NetworkPeer) {
    this.#network = network;
    this.peer = peer;
    this.directory = join(peer.directory, 'sound');
  }

  get name(): string {
    return this.peer.host.name;
  }

  /** Value for PULSE_SERVER. */
  get server(): string {
    return `unix:${join(this.directory, 'native')}`;
  }

  /** What the person's peer needs to find the sound server. */
  get environment(): NodeJS.ProcessEnv {
    return {
      HOME: this.directory,
      XDG_RUNTIME_DIR: this.directory,
      XDG_CONFIG_HOME: join(this.directory, 'config'),
      PULSE_SERVER: this.server,
      DBUS_SESSION_BUS_ADDRESS: undefined,
    };
  }

  /** Names of the sinks that stand for the devices. */
  get sinks() {
    return { microphone: MICROPHONE, loudspeaker: LOUDSPEAKER };
  }

  /** The sound server's module for one of them, with its arguments. */
  sinkModule(sink: string): string[] {
    return ['module-null-sink', `sink_name=${sink}`, 'rate=48000', 'channels=1'];
  }

  /** Name of the source that the peer listens to. */
  get microphone(): string {
    return `${MICROPHONE}.monitor`;
  }

  /** Name of the sink that the peer plays to. */
  get loudspeaker(): string {
    return LOUDSPEAKER;
  }

  /** Name of the source that hears the loudspeaker. */
  get ear(): string {
    return `${LOUDSPEAKER}.monitor`;
  }

  /** Starts a sound server and waits until it answers; tools of PulseAudio talk to either. Errors: 'sound-server'. */
  async startSound(kind: 'pulse' | 'pipewire' = 'pulse'): Promise<void> {
    await mkdir(this.directory, { mode: 0o700, recursive: true });
    if (kind === 'pipewire') return this.#startPipeWire();
    this.#sound = this.#startPulseAudio();
    await this.#untilAnswers([this.#sound]);
  }

  async #startPipeWire(): Promise<void> {
    await configurePipeWire(this.directory, [MICROPHONE, LOUDSPEAKER]);
    const environment = { ...this.environment, PULSE_SERVER: undefined };
    const servers: ChildProcess[] = [];
    for (const [program, ...args] of PIPEWIRE_COMMANDS) {
      const log = join(this.peer.directory, `${program}.log`);
      servers.push(this.#network.spawn(this.peer.host, program, log, program, args, environment));
      await this.#untilAnswers(servers);
    }
  }

  #startPulseAudio(): ChildProcess {
    const sinks = Object.values(this.sinks).flatMap((sink) => ['-L', this.sinkModule(sink).join(' ')]);
    const log = join(this.peer.directory, 'sound.log');
    return this.#network.spawn(
      this.peer.host,
      'sound server',
      log,
      'pulseaudio',
      [
        ...['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disable-shm=yes'],
        ...['--realtime=yes', '--high-priority=yes', '--log-level=warn'],
        ...['-L', `module-native-protocol-unix socket=${join(this.directory, 'native')} auth-anonymous=1`],
        ...sinks,
      ],
      { ...this.environment, PULSE_SERVER: undefined },
    );
  }

  async #untilAnswers(servers: readonly ChildProcess[]): Promise<void> {
    const end = performance.now() + START_MS;
    const answers = () =>
      promisify(execFile)('pactl', ['info'], { env: { ...process.env, ...this.environment } }).then(
        () => true,
        () => false,
      );
    while (!(await answers())) {
      if (servers.some(({ exitCode }) => exitCode !== null) || performance.now() > end) {
        throw new PeerError(
          'sound-server',
          `${this.name}: no answer, see the logs in ${this.peer.directory}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** The sound server dies without a word. */
  killSound(): void {
    this.#sound?.kill('SIGKILL');
  }

  /** Has the text spoken into a file. Errors: 'speech'. */
  async prepareSpeech({ voice, text }: Voice): Promise<string> {
    const file = join(this.directory, 'speech.wav');
    await promisify(execFile)('espeak-ng', ['-v', voice, '-s', '150', '-w', file, text]).catch((cause) => {
      throw new PeerError('speech', `espeak-ng cannot speak: ${cause.message}`, { cause });
    });
    return file;
  }

  /** Plays a file into the microphone, to its end. Errors: 'speech'. */
  async say(file: string): Promise<void> {
    const log = join(this.peer.directory, 'speech.log');
    const args = [`--device=${MICROPHONE}`, file];
    const child = this.#network.spawn(this.peer.host, 'paplay', log, 'paplay', args, this.environment);
    const [code] = await once(child, 'exit');
    if (code !== 0) {
      throw new PeerError('speech', `${this.name}: paplay ended with ${code}, see ${log}`);
    }
  }
}

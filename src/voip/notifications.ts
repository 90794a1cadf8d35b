/**
 * Role: tells the desktop of calls, by `notify-send` (org.freedesktop.Notifications).
 *
 * Invariants: nothing waits for it and nothing fails with it: no desktop, no program, a program that hangs are all the same
 * to a call; what is hidden never reaches the program, so that no lock screen and no log of notifications has it; whom the
 * person does not want to hear of is not told of.
 *
 * Not here: who is told of (caller-rules.ts), tones (tones.ts).
 */

import { spawn } from 'node:child_process';
import type { NotifyMode } from '../config/config.js';
import type { CallView } from './call.js';

/** A program that has not ended by then is ended. */
const MOST_MS = 10_000;
/** Programs at once; a caller who rings without end gets no more. */
const MOST_AT_ONCE = 3;
/** Until the person has seen it. */
const MISSED_SHOWN_MS = 0;

export interface NotificationOptions {
  /** `hidden`: that there is a call, and not whose. */
  readonly mode: NotifyMode;
  /** How long a call rings. */
  readonly ringMs: number;
  /** Another one than `notify-send`. */
  readonly program?: string;
  readonly mostMs?: number;
}

export class Notifications {
  readonly #options: NotificationOptions;
  /** Of calls that ring, by number. */
  readonly #ringing = new Set<number>();
  #running = 0;

  constructor(options: NotificationOptions) {
    this.#options = options;
  }

  /** A call has changed. */
  changed(call: CallView): void {
    if (call.direction !== 'incoming') return;
    if (call.state === 'ringing' && !this.#ringing.has(call.id)) {
      this.#ringing.add(call.id);
      this.#tell('Incoming call', call, this.#options.ringMs);
    } else if (call.state !== 'ringing' && this.#ringing.delete(call.id)) {
      if (call.state === 'ended' && call.reason === 'no-answer')
        this.#tell('Missed call', call, MISSED_SHOWN_MS);
    }
  }

  #tell(what: string, { contact, remote, identity }: CallView, shownMs: number): void {
    const { mode, program = 'notify-send', mostMs = MOST_MS } = this.#options;
    if (mode === 'no' || this.#running >= MOST_AT_ONCE) return;
    const who = `${contact ?? `a stranger, ${remote}`}${identity === undefined ? '' : `, for ${identity}`}`;
    const body = mode === 'full' ? [escaped(who)] : [];
    const args = ['--app-name=peer', '--icon=call-start', `--expire-time=${shownMs}`, '--', what, ...body];
    this.#running += 1;
    const child = spawn(program, args, { stdio: 'ignore' });
    const late = setTimeout(() => child.kill('SIGKILL'), mostMs);
    late.unref();
    child.unref();
    const over = () => {
      clearTimeout(late);
      this.#running -= 1;
    };
    // One of the two, once: no such program, or its end.
    child.once('error', over);
    child.once('exit', () => {
      child.off('error', over);
      over();
    });
  }
}

/** Bodies may have markup. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

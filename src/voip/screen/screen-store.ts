/**
 * Role: holds the screen's state, tells who looks at it of each change, and carries out what keys ask.
 *
 * Not here: the changes themselves (screen-state.ts, keys.ts).
 */

import { steadyClock } from '../../clock.js';
import { DaemonLink, type DaemonLinkOptions } from './daemon-link.js';
import { type Key, press } from './keys.js';
import { type Action, INITIAL_STATE, reduce, type ScreenState } from './screen-state.js';

export type Listener = (after: ScreenState, before: ScreenState) => void;

export class ScreenStore {
  readonly #listeners = new Set<Listener>();
  readonly #link: DaemonLink;
  #state: ScreenState = INITIAL_STATE;
  /** The key `q`. */
  onQuit: () => void = () => {};

  constructor(options: Omit<DaemonLinkOptions, 'dispatch'>) {
    this.#link = new DaemonLink({ ...options, dispatch: (action) => this.#dispatch(action) });
  }

  get state(): ScreenState {
    return this.#state;
  }

  /** Calls back on each change; returns what ends that. */
  readonly subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  press(key: Key): void {
    const { state, request, quit } = press(this.#state, key);
    this.#set(state);
    if (request !== undefined) void this.#link.request(request);
    if (quit) this.onQuit();
  }

  async stop(): Promise<void> {
    this.#link.stop();
    await this.#link.done;
  }

  #dispatch(action: Action): void {
    this.#set(reduce(this.#state, action, steadyClock.now()));
  }

  #set(state: ScreenState): void {
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state, before);
  }
}

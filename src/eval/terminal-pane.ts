/**
 * Role: a terminal on a host, driven as a person does: keys in, what is on it out (tmux).
 *
 * Invariants: each has a tmux server of its own, in the host's namespace, that reads no configuration; every wait has a limit
 * and says what was on the terminal instead.
 *
 * Not here: what runs on it.
 */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { PeerError } from '../errors.js';
import type { Host, Hosts } from './namespaces.js';

const COLUMNS = 100;
const ROWS = 32;
const POLL_MS = 100;
const PATIENCE_MS = 60_000;

export class TerminalPane {
  readonly #socket: string;
  readonly #what: string;

  private constructor(socket: string, what: string) {
    this.#socket = socket;
    this.#what = what;
  }

  /** Begins with a shell in `directory`, which also takes the server's socket. Errors: 'terminal'. */
  static async open(hosts: Hosts, host: Host, directory: string): Promise<TerminalPane> {
    const socket = `${directory}/tmux.sock`;
    const args = ['-f', '/dev/null', '-u', '-S', socket, 'new-session', '-d', '-c', directory];
    const size = ['-x', String(COLUMNS), '-y', String(ROWS)];
    const env = { ...process.env, LANG: 'C.UTF-8', TMUX: undefined };
    const child = hosts.spawn(host, 'tmux', [...args, ...size, 'sh'], { stdio: 'ignore', env });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new PeerError('terminal', `${host.name}: tmux ended with ${code}`);
    return new TerminalPane(socket, host.name);
  }

  /** Keys by their names in tmux (`Enter`, `Tab`), one after the other. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#tmux('send-keys', key);
  }

  /** Characters as they are. */
  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text);
  }

  /** What is on the terminal, without colours. */
  text(): Promise<string> {
    return this.#tmux('capture-pane', '-p');
  }

  /** Whether a program shows its own screen, and whether the cursor is visible. */
  async modes(): Promise<{ readonly secondScreen: boolean; readonly cursor: boolean }> {
    const flags = await this.#tmux('display-message', '-p', '#{alternate_on} #{cursor_flag}');
    const [secondScreen, cursor] = flags.trim().split(' ');
    return { secondScreen: secondScreen === '1', cursor: cursor === '1' };
  }

  /** Waits until all are on the terminal at once. Errors: 'terminal'. */
  async until(...patterns: readonly RegExp[]): Promise<string> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const text = await this.text();
      const missing = patterns.find((pattern) => !pattern.test(text));
      if (missing === undefined) return text;
      if (performance.now() > end)
        throw new PeerError('terminal', `${this.#what}: waited for ${missing}, but there is:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => {});
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('tmux', ['-u', '-S', this.#socket, ...args]);
    return stdout;
  }
}

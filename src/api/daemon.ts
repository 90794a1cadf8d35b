/**
 * Role: what all three daemons share: control socket, signals, exit codes.
 *
 * Invariants: a daemon ends by SIGTERM, SIGINT or the verb shutdown, and is closed in order in each case;
 * a second signal ends it at once; what nobody caught is logged and ends the process with code 70.
 *
 * Not here: the modules (src/dht/daemon.ts, src/kx/daemon.ts, src/voip/daemon.ts), the supervisor (src/cli).
 */

import type { Config, ModuleName } from '../config/config.js';
import type { Logger } from '../log.js';
import { type ControlHandler, ControlServer, controlSocketPath } from './control.js';

/** What a module's start function resolves to. */
export interface Daemon {
  /** For `peer status`; must be JSON. */
  status(): unknown;
  close(): Promise<void>;
  /** Further verbs of the control socket. */
  readonly handlers?: Readonly<Record<string, ControlHandler>>;
  /** Called once, with what sends an event to all subscribed clients of the control socket. */
  attachEvents?(broadcast: (event: string, data: unknown) => void): void;
}

/** Exit code after a fault of ours (EX_SOFTWARE of sysexits.h). */
export const EXIT_INTERNAL = 70;
/** In the environment of a daemon that `peer up` has started. */
export const SUPERVISED_VARIABLE = 'PEER_SUPERVISED';
const CLOSE_MS = 10_000;

/**
 * Starts a module and runs it until it is told to stop; resolves to the exit code.
 *
 * Rejects with what `start` rejects with, and with 'already-running' if one with this STATE_DIR runs.
 */
export async function runDaemon(
  module: ModuleName,
  config: Config,
  log: Logger,
  start: (config: Config, log: Logger) => Promise<Daemon>,
): Promise<number> {
  for (const warning of config.warnings) log.warn(warning);
  let daemon: Daemon | null = null;
  let stop: (reason: string) => void = () => {};
  const stopped = new Promise<string>((resolve) => {
    stop = resolve;
  });
  const running = () => {
    if (daemon === null) throw new Error('the daemon is not up yet');
    return daemon;
  };
  const handlers: Record<string, ControlHandler> = {
    status: () => ({
      module,
      pid: process.pid,
      uptimeSeconds: Math.floor(process.uptime()),
      ...(daemon === null ? { starting: true } : { state: daemon.status() }),
    }),
    shutdown: () => {
      stop('asked by the control socket');
      return true;
    },
  };
  const control = new ControlServer({ path: controlSocketPath(config, module), handlers, log });
  await control.listen();
  const release = installHandlers(log, stop);
  watchSupervisor(stop);
  try {
    daemon = await start(config, log);
    Object.assign(handlers, { ...running().handlers, status: handlers.status, shutdown: handlers.shutdown });
    daemon.attachEvents?.((event, data) => control.broadcast(event, data));
    log.info({ pid: process.pid }, 'running');
    log.info({ reason: await stopped }, 'stopping');
    return await closeInTime(daemon, log);
  } finally {
    release();
    process.stdin.destroy();
    await control.close();
  }
}

async function closeInTime(daemon: Daemon, log: Logger): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), CLOSE_MS);
  });
  const outcome = await Promise.race([daemon.close(), late]);
  clearTimeout(timer);
  if (outcome !== 'late') return 0;
  log.error({ waitedMs: CLOSE_MS }, 'the module did not stop in time');
  return EXIT_INTERNAL;
}

/** Under a supervisor, standard input is a pipe that ends when the supervisor is gone, however it went. */
function watchSupervisor(stop: (reason: string) => void): void {
  if (process.env[SUPERVISED_VARIABLE] !== '1') return;
  process.stdin.on('error', () => {});
  process.stdin.once('close', () => stop('the supervisor is gone'));
  process.stdin.resume();
}

function installHandlers(log: Logger, onSignal: (signal: string) => void): () => void {
  let signals = 0;
  const handleSignal = (signal: NodeJS.Signals) => {
    signals += 1;
    if (signals > 1) process.exit(130);
    onSignal(signal);
  };
  const handleFault = (error: unknown) => {
    log.fatal({ err: error }, 'a fault that nothing caught');
    process.exit(EXIT_INTERNAL);
  };
  process.on('SIGTERM', handleSignal);
  process.on('SIGINT', handleSignal);
  process.on('uncaughtException', handleFault);
  process.on('unhandledRejection', handleFault);
  return () => {
    process.off('SIGTERM', handleSignal);
    process.off('SIGINT', handleSignal);
    process.off('uncaughtException', handleFault);
    process.off('unhandledRejection', handleFault);
  };
}

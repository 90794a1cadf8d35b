/**
 * Role: a run of the proxy with its files and its control socket.
 *
 * Verbs of the control socket: `status`, `list`, `add` (a rule), `remove` ({name}), `change` ({name, fields}), `shutdown`.
 *
 * Not here: the proxy (proxy.ts), the command line (src/cli).
 */

import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type ControlHandler, ControlServer } from '../../api/control.js';
import { type Clock, steadyClock } from '../../clock.js';
import { PeerError } from '../../errors.js';
import type { Logger } from '../../log.js';
import { Capture } from './capture.js';
import { EventLog } from './event-log.js';
import type { Api } from './message-json.js';
import { OutputFile } from './output-file.js';
import { ApiProxy } from './proxy.js';
import { parseRules } from './rule.js';
import { RuleSet } from './rule-set.js';

export interface SessionOptions {
  readonly api: Api;
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: { readonly host: string; readonly port: number };
  readonly seed: number;
  readonly rulesFile?: string;
  readonly logFile?: string;
  readonly captureFile?: string;
  readonly controlSocket?: string;
  readonly log: Logger;
  readonly clock?: Clock;
}

export interface Session {
  readonly port: number;
  /** Settles when the control socket asks for the end. */
  readonly stopped: Promise<void>;
  close(): Promise<void>;
}

const NameSchema = v.strictObject({ name: v.string() });
const ChangeSchema = v.strictObject({ name: v.string(), fields: v.record(v.string(), v.unknown()) });

/** Errors: 'proxy-rules', 'proxy-file', 'listen', and those of a ControlServer. */
export async function startSession(options: SessionOptions): Promise<Session> {
  const { api, listen, target, seed, clock = steadyClock } = options;
  const rules = new RuleSet(api, seed, clock, readRules(options.rulesFile, api));
  const open: { close(): unknown }[] = [];
  const close = async () => {
    for (const each of open.reverse().splice(0)) await each.close();
  };
  const opened = <T extends { close(): unknown }>(each: T): T => {
    open.push(each);
    return each;
  };
  try {
    const file = (path: string | undefined) =>
      path === undefined ? null : opened(new OutputFile(path, options.log));
    const [logFile, captureFile] = [file(options.logFile), file(options.captureFile)];
    const log = logFile && new EventLog(logFile, clock);
    const capture = captureFile && new Capture(captureFile, clock);
    const proxy = opened(new ApiProxy({ api, listen, target, rules, clock, log, capture }));
    const port = await proxy.listen();
    let stop: () => void = () => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    if (options.controlSocket !== undefined) {
      const status = () => ({ api, listen: { ...listen, port }, target, seed, ...proxy.status });
      const handlers = { ...verbs(rules), status, shutdown: () => stop() };
      const path = options.controlSocket;
      await opened(new ControlServer({ path, handlers, log: options.log, keepsDirectory: true })).listen();
    }
    return { port, stopped, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function verbs(rules: RuleSet): Record<string, ControlHandler> {
  return {
    list: () => rules.list(),
    add: (args) => rules.add(args),
    remove: (args) => rules.remove(parse(NameSchema, args).name),
    change: (args) => {
      const { name, fields } = parse(ChangeSchema, args);
      rules.change(name, fields);
    },
  };
}

function parse<T>(schema: v.GenericSchema<unknown, T>, args: unknown): T {
  const result = v.safeParse(schema, args);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new PeerError('arguments', `${v.getDotPath(issue) ?? 'arguments'}: ${issue.message}`);
}

function readRules(file: string | undefined, api: Api) {
  if (file === undefined) return [];
  try {
    return parseRules(readFileSync(file, 'utf8'), file, api);
  } catch (cause) {
    if (cause instanceof PeerError) throw cause;
    throw new PeerError('proxy-file', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Role: the command line of `peer`: the list of all commands.
 *
 * Invariants: wrong usage prints to stderr and ends with code 2; help and version print to stdout.
 *
 * Not here: any command (one class, one file), their common part (command.ts).
 */

import { readFileSync } from 'node:fs';
import { Builtins, Cli } from 'clipanion';
import { EXIT_USAGE } from './command.js';
import { ContactAddCommand } from './contact-add.js';
import { ContactBlockCommand } from './contact-block.js';
import { ContactListCommand } from './contact-list.js';
import { ContactRemoveCommand } from './contact-remove.js';
import { DhtCommand } from './dht.js';
import { EvalCompareCommand } from './eval-compare.js';
import { EvalReportCommand } from './eval-report.js';
import { EvalRunCommand } from './eval-run.js';
import { IdCommand } from './id.js';
import { IdAnswerCommand } from './id-answer.js';
import { IdExportCommand } from './id-export.js';
import { IdImportCommand } from './id-import.js';
import { IdListCommand } from './id-list.js';
import { IdNewCommand } from './id-new.js';
import { IdPassphraseCommand } from './id-passphrase.js';
import { IdRemoveCommand } from './id-remove.js';
import { IdShowCommand } from './id-show.js';
import { IdUnlockCommand } from './id-unlock.js';
import { InitCommand } from './init.js';
import { KxCommand } from './kx.js';
import { MetricsCommand } from './metrics.js';
import { StatusCommand } from './status.js';
import { TestAttackerCommand } from './test-attacker.js';
import { TestAttackersCommand } from './test-attackers.js';
import { TestConformanceCommand } from './test-conformance.js';
import { TestProxyCommand } from './test-proxy.js';
import { TestProxyRulesCommand } from './test-proxy-rules.js';
import { TestStubCommand } from './test-stub.js';
import { UpCommand } from './up.js';
import { VoipCommand } from './voip.js';
import { VoipAcceptCommand } from './voip-accept.js';
import { VoipCallCommand } from './voip-call.js';
import { VoipDeclineCommand } from './voip-decline.js';
import { VoipDeviceCommand } from './voip-device.js';
import { VoipDevicesCommand } from './voip-devices.js';
import { VoipHangupCommand } from './voip-hangup.js';
import { VoipHoldCommand } from './voip-hold.js';
import { VoipLogCommand } from './voip-log.js';
import { VoipLoopbackCommand } from './voip-loopback.js';
import { VoipMuteCommand } from './voip-mute.js';
import { VoipScreenCommand } from './voip-screen.js';
import { VoipWordsCommand } from './voip-words.js';

const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const cli = Cli.from(
  [
    Builtins.HelpCommand,
    Builtins.VersionCommand,
    InitCommand,
    IdCommand,
    IdNewCommand,
    IdListCommand,
    IdRemoveCommand,
    IdPassphraseCommand,
    IdShowCommand,
    IdUnlockCommand,
    IdAnswerCommand,
    IdExportCommand,
    IdImportCommand,
    UpCommand,
    StatusCommand,
    MetricsCommand,
    DhtCommand,
    KxCommand,
    VoipCommand,
    VoipScreenCommand,
    VoipCallCommand,
    VoipAcceptCommand,
    VoipDeclineCommand,
    VoipHangupCommand,
    VoipMuteCommand,
    VoipHoldCommand,
    VoipWordsCommand,
    VoipLogCommand,
    VoipDevicesCommand,
    VoipDeviceCommand,
    VoipLoopbackCommand,
    ContactAddCommand,
    ContactListCommand,
    ContactRemoveCommand,
    ContactBlockCommand,
    EvalRunCommand,
    EvalReportCommand,
    EvalCompareCommand,
    TestConformanceCommand,
    TestStubCommand,
    TestProxyCommand,
    TestProxyRulesCommand,
    TestAttackerCommand,
    TestAttackersCommand,
  ],
  {
    enableColors: process.stdout.isTTY === true,
    binaryLabel: 'peer: anonymous peer-to-peer telephone',
    binaryName: 'peer',
    binaryVersion: manifest.version,
  },
);

async function main(argv: string[]): Promise<number> {
  const input = argv.length === 0 ? ['--help'] : argv;
  try {
    cli.process(input, Cli.defaultContext);
  } catch (error) {
    // clipanion would print this to stdout and end with 1.
    process.stderr.write(cli.error(error as Error, { colored: process.stderr.isTTY === true }));
    return EXIT_USAGE;
  }
  return cli.run(input, Cli.defaultContext);
}

process.exitCode = await main(process.argv.slice(2));

/**
 * Role: a PipeWire with its session manager that is somebody's alone: two null sinks, no devices of the machine.
 *
 * Invariants: all of it lies below one directory, which is also XDG_RUNTIME_DIR; tools of PulseAudio reach it at `native` there.
 *
 * Not here: the processes (person.ts).
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Of WirePlumber 0.4: no devices of the machine, and no D-Bus, which its defaults need. */
const SESSION = `
alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
default_access.properties["enable-flatpak-portal"] = false
`;
const MODULES = [
  'protocol-native',
  'metadata',
  'spa-node-factory',
  'client-node',
  'client-device',
  'access',
  'adapter',
  'link-factory',
  'session-manager',
];

/** What to run, in this order, with `XDG_CONFIG_HOME` being `config` below the directory. */
export const PIPEWIRE_COMMANDS: readonly (readonly [program: string, ...args: string[]])[] = [
  ['pipewire', '-c', 'private.conf'],
  ['wireplumber'],
];

/** Writes the configuration of both daemons below `directory`. */
export async function configurePipeWire(directory: string, sinks: readonly string[]): Promise<void> {
  const files = {
    'pipewire/private.conf': serverConfig(join(directory, 'native'), sinks),
    'wireplumber/main.lua.d/60-private.lua': SESSION,
    'wireplumber/bluetooth.lua.d/60-private.lua': 'bluez_monitor.enabled = false\n',
  };
  for (const [name, text] of Object.entries(files)) {
    const file = join(directory, 'config', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

function serverConfig(pulseSocket: string, sinks: readonly string[]): string {
  const object = (factory: string, args: string) => `  { factory = ${factory} args = { ${args} } }`;
  return [
    'context.properties = { core.daemon = true core.name = pipewire-0 }',
    'context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert support.* = support/libspa-support }',
    'context.modules = [',
    '  { name = libpipewire-module-rt flags = [ ifexists nofail ] }',
    ...MODULES.map((name) => `  { name = libpipewire-module-${name} }`),
    `  { name = libpipewire-module-protocol-pulse args = { server.address = [ "unix:${pulseSocket}" ] } }`,
    ']',
    'context.objects = [',
    object(
      'spa-node-factory',
      'factory.name = support.node.driver node.name = driver node.group = pipewire.dummy priority.driver = 20000',
    ),
    ...sinks.map((name) =>
      object(
        'adapter',
        `factory.name = support.null-audio-sink node.name = ${name} media.class = Audio/Sink audio.position = [ MONO ]`,
      ),
    ),
    ']',
    '',
  ].join('\n');
}

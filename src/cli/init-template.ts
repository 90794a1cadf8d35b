/**
 * Role: the text of a new peer.ini, with a comment on each parameter.
 *
 * Invariants: what is written here is read back by config.ts without warnings (a test holds this).
 *
 * Not here: defaults of parameters that are left out (config.ts).
 */

export interface InitChoices {
  /** Addresses of this peer that others can reach. */
  readonly addresses: readonly string[];
  readonly apiHost: string;
  readonly dhtPort: string;
  readonly overlayPort: string;
  readonly kxPort: string;
  readonly outreachPort: string;
  /** `host` or `host:port`. */
  readonly bootstrap: readonly string[];
  readonly tunIp: string;
  readonly tunName: string;
  readonly voipPort: string;
}

export function configText(choices: InitChoices): string {
  const addresses = choices.addresses.join(', ');
  return `# Configuration of one peer, read by all its modules.
# PARAMETER = VALUE; several values are separated by commas; relative paths start at this file.

# The key that makes this peer's identity (RSA 4096, PEM). Keep it secret.
HOSTKEY = hostkey.pem
# Caches, keys, pseudo-identities, control sockets.
STATE_DIR = state
# trace, debug, info, warn, error, fatal or silent
LOG_LEVEL = info

[DHT]
# Where other modules of this machine reach the DHT (TCP). Never open this to the network.
HOSTNAME = ${choices.apiHost}
PORT = ${choices.dhtPort}
# Where other peers reach the DHT (UDP and TCP): addresses or names of this peer.
OVERLAY_HOSTNAME = ${addresses}
OVERLAY_PORT = ${choices.overlayPort}
# Peers to start from, host or host:port.
${choices.bootstrap.length === 0 ? '# HOSTLIST = peer.example.org:3000' : `HOSTLIST = ${choices.bootstrap.join(', ')}`}
# Copies of what is stored without a wish of its own.
# REPLICATION = 5
# Hide from the network who looks for whom.
# PRIVATE_LOOKUPS = yes

[KX]
# Where other modules of this machine reach the KX (TCP). Never open this to the network.
HOSTNAME = ${choices.apiHost}
PORT = ${choices.kxPort}
# Where other peers reach the KX (UDP): addresses or names of this peer.
OUTREACH_HOSTNAME = ${addresses}
OUTREACH_PORT = ${choices.outreachPort}
# Address and mask of the TUN device; calls come and go through it.
TUN_IP = ${choices.tunIp}
TUN_NAME = ${choices.tunName}
# Peers in a tunnel, at least 3. More are slower.
# HOPS = 3
# Seconds between changes of the peers in a tunnel.
# ROTATE = 600
# Hide whether you are in a call: yes, no, or the number of calls' worth of padding.
# COVER = yes
# Threads that move packets, 1 to 4. More than one is for peers that relay much.
# WORKERS = 1

[VOIP]
# On TUN_IP, for call control (TCP) and voice (UDP); only used with EXTENSIONS = no in [KX]: else each
# pseudo-identity has a port of its own.
PORT = ${choices.voipPort}
# Sound server: pipewire (PipeWire itself, the least delay), pulse (PulseAudio, or PipeWire by its PulseAudio server),
# or auto: PipeWire itself where it is the sound server and this program was built with it.
# AUDIO_SERVER = auto
# Names of audio devices, the same with either; without them, the system's defaults.
# AUDIO_INPUT =
# AUDIO_OUTPUT =
# Where it rings, for example the speakers of the room while calls are in a headset; without it, in AUDIO_OUTPUT.
# RING_DEVICE =
# Whether it rings, and tones tell a caller how it goes. Callers who may not disturb never ring (peer id answer).
# TONES = yes
# With a headset: no, which saves the delay of echo cancellation, noise suppression and gain control.
# ECHO_CANCELLATION = yes
# Bits per second of the voice codec, constant.
# BITRATE = 48000
# Calls a day that only look like calls.
# FAKE_CALLS = 0
# How long a call rings.
# RING_SECONDS = 45
# Notifications of the desktop (by notify-send): no, hidden (that somebody calls, and not who), or full.
# NOTIFY = hidden
# Calls that are remembered, on this machine only; 0 for none.
# CALL_LOG = 100
`;
}

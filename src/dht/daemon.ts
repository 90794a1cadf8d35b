/**
 * `peer dht`: the node on real sockets, behind the API, with its files.
 *
 * Invariants: the API listens before the position is found and before the network answers; a node is replaced (with
 * its contents, contacts and memory of onions) when its position's epoch or its certificate comes to an end, without a gap in the API.
 * Not here: the protocol (node.ts), signals and the control socket (src/api/daemon.ts).
 */
import type { Daemon } from '../api/daemon.js';
import { ApiServer, DHT_ACCEPTS } from '../api/server.js';
import type { Config, DhtConfig } from '../config/config.js';
import { PeerError } from '../errors.js';
import { type Hostkey, loadHostkey } from '../identity/hostkey.js';
import { loadModuleKey } from '../identity/module-key.js';
import type { Logger } from '../log.js';
import { DhtApi } from './api.js';
import { DhtNode } from './node.js';
import { type ChannelEngine, noiseChannel } from './noise-channel.js';
import { bootstrapEndpoints, kxAddress, type OwnAddresses, ownAddresses } from './own-addresses.js';
import { epochAt } from './position.js';
import { loadPosition, type PuzzleSearch } from './position-store.js';
import { PinnedHops } from './private/pinned-hops.js';
import { loadPinnedHops } from './private/pinned-store.js';
import { SeenOnions } from './private/seen-onions.js';
import { sodiumOnionCipher } from './private/sodium-onion-cipher.js';
import type { KxAddress } from './rpc-message.js';
import { loadContacts, loadContents, SAVE_MS, saveContacts, saveContents } from './saved-state.js';
import { ContentStore } from './store.js';
import { systemClock, systemRandom } from './system-environment.js';
import { TcpTransport } from './tcp-transport.js';
import { UdpTransport } from './udp-transport.js';

/** API requests in work at the same time; each is a search with several requests of its own. */
const MAX_WORKING = 64;
const RENEWAL_CHECK_MS = 1_800_000;
/** Certificates live 30 days; a node with an older one is replaced. */
const RENEW_AFTER_MS = 20 * 86_400_000;

/** What native code does for the DHT, which does not import it. */
export interface DhtEngine extends ChannelEngine {
  readonly searchPuzzle: PuzzleSearch;
  /** Gives free memory back to the system. */
  releaseMemory(): void;
}

/**
 * Starts the DHT module and resolves once its API listens.
 * @throws PeerError `config`, `dht-bind`, those of the hostkey and of the API server
 */
export async function startDht(config: Config, log: Logger, engine: DhtEngine): Promise<Daemon> {
  if (!config.dht) {
    throw new PeerError('config', `${config.file} has no section [DHT]`, {
      remedy: 'add a section [DHT], or leave this module out',
    });
  }
  const daemon = new DhtDaemon(config, config.dht, log, engine);
  await daemon.start();
  return daemon;
}

class DhtDaemon implements Daemon {
  readonly #udp = new UdpTransport();
  readonly #tcp = new TcpTransport();
  readonly #api: DhtApi;
  readonly #server: ApiServer;
  readonly #store = new ContentStore();
  readonly #seenOnions = new SeenOnions();
  readonly #starting: Promise<DhtNode | null>;
  #setStarted: (node: DhtNode | null) => void = () => {};
  #pinned = new PinnedHops();
  #node: DhtNode | null = null;
  #nodeEpoch = 0;
  #nodeSinceMs = 0;
  #renewal: NodeJS.Timeout | null = null;
  #saving: NodeJS.Timeout | null = null;
  #savedChanges = 0;
  #closed = false;
  #working: Promise<void> = Promise.resolve();

  constructor(
    readonly config: Config,
    readonly dht: DhtConfig,
    readonly log: Logger,
    readonly engine: DhtEngine,
  ) {
    this.#starting = new Promise((resolve) => {
      this.#setStarted = resolve;
    });
    this.#api = new DhtApi({
      node: async () => this.#node ?? (await this.#starting),
      replication: dht.replication,
    });
    this.#server = new ApiServer({
      module: 'dht',
      host: dht.host,
      port: dht.port,
      accepts: DHT_ACCEPTS,
      limits: { maxWorking: MAX_WORKING },
      onMessage: (client, message) => this.#api.handle(client, message),
      log,
    });
  }

  async start(): Promise<void> {
    const hostkey = await loadHostkey(this.config.hostkeyPath);
    for (const warning of hostkey.warnings) this.log.warn(warning);
    this.#pinned = await loadPinnedHops(this.config.stateDir, (err) =>
      this.log.error({ err }, 'the pinned first hops could not be written'),
    );
    if (!this.dht.privateLookups) {
      this.log.warn('PRIVATE_LOOKUPS = no: GET and PUT show this peer to the nodes that serve them');
    }
    const own = await ownAddresses(this.dht.overlayHosts, this.dht.overlayPort);
    const kx = await kxAddress(this.config.kx, own);
    try {
      await this.#udp.bind(own.bind, (from, bytes) => this.#node?.handleDatagram(from, bytes));
      await this.#tcp.listen(own.bind, (stream) =>
        this.#node ? this.#node.handleStream(stream) : stream.destroy(),
      );
      await this.#server.listen();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#working = this.#run(hostkey, own, kx);
    this.#renewal = setInterval(() => {
      this.#working = this.#working.then(() => this.#renewIfDue(hostkey, own, kx));
    }, RENEWAL_CHECK_MS);
    this.#saving = setInterval(() => {
      this.#working = this.#working.then(() => this.#save());
      this.engine.releaseMemory();
    }, SAVE_MS);
  }

  status(): unknown {
    return {
      node: this.#node?.status() ?? { state: 'solving the position puzzle' },
      requests: this.#api.counts,
      api: this.#server.counters,
      udpSendErrors: this.#udp.sendErrors,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#renewal) clearInterval(this.#renewal);
    if (this.#saving) clearInterval(this.#saving);
    this.#setStarted(this.#node);
    this.#node?.close();
    await this.#server.close();
    await this.#working;
    if (this.#node) await this.#save();
    await Promise.all([this.#udp.close(), this.#tcp.close()]);
  }

  async #run(hostkey: Hostkey, own: OwnAddresses, kx: KxAddress): Promise<void> {
    try {
      if (!this.#node) {
        const kept = await loadContents(this.config.stateDir, this.#store, Date.now());
        if (kept > 0) this.log.info({ contents: kept }, 'contents of last time are there again');
      }
      await this.#replaceNode(hostkey, own, kx);
    } catch (error) {
      this.log.error({ err: error }, 'the DHT node could not start');
      this.#setStarted(null);
    }
  }

  async #renewIfDue(hostkey: Hostkey, own: OwnAddresses, kx: KxAddress): Promise<void> {
    const now = Date.now();
    const due =
      epochAt(hostkey.identity, now / 1000) !== this.#nodeEpoch || now - this.#nodeSinceMs > RENEW_AFTER_MS;
    if (due && !this.#closed) await this.#run(hostkey, own, kx);
  }

  async #save(): Promise<void> {
    const { stateDir } = this.config;
    const contacts = this.#node?.network.parts.table.contacts() ?? [];
    const changes = this.#store.changes;
    try {
      // An empty table is no reason to forget whom to ask the next time.
      if (contacts.length > 0) await saveContacts(stateDir, contacts);
      if (changes !== this.#savedChanges) await saveContents(stateDir, this.#store.all(Date.now()));
      this.#savedChanges = changes;
    } catch (error) {
      this.log.error({ err: error }, 'contacts and contents could not be saved');
    }
  }

  /** Makes a node with a position and certificate of now, which goes on with what the old one had. */
  async #replaceNode(hostkey: Hostkey, own: OwnAddresses, kx: KxAddress): Promise<void> {
    const { stateDir } = this.config;
    const nowSeconds = Math.floor(Date.now() / 1000);
    const key = await loadModuleKey(stateDir, 'dht', hostkey, nowSeconds);
    const stopped = () => this.#closed;
    const found = await loadPosition(
      stateDir,
      hostkey.identity,
      nowSeconds,
      this.engine.searchPuzzle,
      stopped,
    );
    if (!found || this.#closed) return;
    const old = this.#node;
    const seeds = old?.network.parts.table.contacts() ?? (await loadContacts(stateDir));
    const port = this.dht.overlayPort;
    const node = new DhtNode({
      clock: systemClock,
      random: systemRandom,
      datagrams: this.#udp,
      streams: this.#tcp,
      channel: noiseChannel(key, key.certificate, this.engine),
      self: {
        id: hostkey.identity.toString('hex'),
        identity: hostkey.identity,
        key: key.publicKey,
        proof: found.proof,
        position: found.position,
        ...{ ipv4: own.ipv4, ipv6: own.ipv6, port },
      },
      kx,
      diversity: this.dht.diversity,
      onions: {
        cipher: sodiumOnionCipher(key),
        seen: this.#seenOnions,
        own: this.dht.privateLookups
          ? {
              pinned: this.#pinned,
              diversity: this.dht.diversity,
              warn: (text) => this.log.warn(text),
            }
          : null,
      },
      hostlist: () => bootstrapEndpoints(this.dht.hostlist, own, port),
      store: this.#store,
    });
    const others = await bootstrapEndpoints(this.dht.hostlist, own, port);
    // Names that do not resolve yet may still be other peers.
    const alone =
      others.length === 0 && this.dht.hostlist.every(({ host }) => own.bind.some((b) => b.host === host));
    if (this.#closed) return;
    this.#node = node;
    this.#nodeEpoch = found.proof.epoch;
    this.#nodeSinceMs = Date.now();
    node.start(alone, seeds);
    old?.close();
    this.#setStarted(node);
    void node.ready(60_000).then(() => {
      if (this.#closed) return;
      this.log.info({ state: node.state, contacts: node.network.parts.table.size }, 'DHT node is up');
    });
  }
}

/** Role: an OnionCipher of equal sizes and the same refusals as the real one, at little cost; it protects nothing. */
import { createHash } from 'node:crypto';
import type { Random } from '../../dht/environment.js';
import { type LayerKeys, MAX_OFFSET, type OnionCipher, TAG_BYTES } from '../../dht/private/onion-cipher.js';

const hash = (...parts: Buffer[]) => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest();
};

function layerKeys(ephemeral: Buffer, hopKey: Buffer): LayerKeys {
  const key = (use: string) => hash(ephemeral, hopKey, Buffer.from(use));
  return {
    ...{ forward: key('forward'), tag: key('tag'), backward: key('backward'), seal: key('seal') },
    offset: key('offset').readUInt32BE() & MAX_OFFSET,
  };
}

function numbered(key: Buffer, number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return hash(key, bytes);
}

function masked(key: Buffer, number: number, bytes: Buffer): Buffer {
  const mask = numbered(key, number);
  const result = Buffer.allocUnsafe(bytes.length);
  for (let i = 0; i < bytes.length; i++) result[i] = (bytes[i] as number) ^ (mask[i & 31] as number);
  return result;
}

export function standInOnionCipher(key: Buffer, random: Random): OnionCipher {
  const tag = (tagKey: Buffer, bytes: Buffer) => hash(tagKey, bytes).subarray(0, TAG_BYTES);
  return {
    begin(hopKey) {
      const ephemeral = random.bytes(32);
      return { ephemeral, keys: layerKeys(ephemeral, hopKey) };
    },
    join: (ephemeral) => layerKeys(ephemeral, key),
    stream: masked,
    tag,
    equal: (a, b) => a.equals(b),
    seal(sealKey, number, plaintext) {
      const body = masked(sealKey, number, plaintext);
      return Buffer.concat([body, tag(numbered(sealKey, number), body)]);
    },
    open(sealKey, number, sealed) {
      const body = sealed.subarray(0, Math.max(0, sealed.length - TAG_BYTES));
      const fits = tag(numbered(sealKey, number), body).equals(sealed.subarray(body.length));
      return fits ? masked(sealKey, number, body) : null;
    },
  };
}

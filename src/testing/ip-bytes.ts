/** Role: IP addresses from their text form to the bytes of API messages. Not here: the messages (src/wire). */

/** `text` is an IPv4 address. */
export function ipv4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** `text` is an IPv6 address without zone. */
export function ipv6Bytes(text: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const pair = (high = '', low = '') => ((Number(high) << 8) | Number(low)).toString(16);
  const plain =
    dotted === null ? text : `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [head = '', tail] = plain.split('::');
  const groups = (part: string) => part.split(':').filter((group) => group !== '');
  const [before, after] = [groups(head), groups(tail ?? '')];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const out = Buffer.alloc(16);
  for (const [index, group] of [...before, ...gap, ...after].entries()) {
    out.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  }
  return out;
}

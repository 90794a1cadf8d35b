/** Role: a text as a QR code that a telephone's camera reads off a terminal. Not here: which text. */

import encodeQR from 'qr';

/** Light modules that must be around a code are 4; screens have some of their own, and cameras take 2. */
const BORDER = 2;
/** White on black whatever the terminal's colours are, as a code that is inverted is not read by every camera. */
const WHITE_ON_BLACK = '\u001b[97;40m';
const RESET = '\u001b[0m';

/** Lines of half blocks, two modules high; `colours`: for a terminal, else for one that is light on dark. */
export function qrText(text: string, colours: boolean): string {
  const lines = encodeQR(text, 'ascii', { ecc: 'medium', border: BORDER }).trimEnd().split('\n');
  return lines.map((line) => (colours ? `${WHITE_ON_BLACK}${line}${RESET}` : line)).join('\n');
}

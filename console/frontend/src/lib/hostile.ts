/** Text that somebody else wrote: what could hide in it, or reorder it, is made visible. */

export interface Piece {
  text: string;
  /** What stands there in truth: the name of a character that would not be seen. */
  shown: boolean;
}

/** Control characters but tab, newline and return; bidi controls; invisible characters; the tag block. */
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** The text in pieces; one piece, unchanged, where nothing hides in it. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const hit of text.matchAll(HIDDEN)) {
    if (hit.index > from) found.push({ text: text.slice(from, hit.index), shown: false });
    found.push({ text: symbol(hit[0]), shown: true });
    from = hit.index + hit[0].length;
  }
  if (from < text.length || found.length === 0) found.push({ text: text.slice(from), shown: false });
  return found;
}

function symbol(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The beginning of a text, never half a character. */
export function beginning(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

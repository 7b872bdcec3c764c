import { expect, test } from "vitest";
import { beginning, pieces } from "./hostile";

const shown = (text: string) => pieces(text).map((piece) => (piece.shown ? `[${piece.text}]` : piece.text)).join("");

test("plain text, other scripts and emoji stay as they are", () => {
  for (const text of ["", "a\tb\nc\r\n", "héllo ñ", "שלום עולם", "سلام\u200c", "👩\u200d💻 ok"]) {
    expect(pieces(text)).toEqual([{ text, shown: false }]);
  }
});

test("what could hide or reorder text is made visible", () => {
  expect(shown("a\u0000b\u001b[31m")).toBe("a[␀]b[␛][31m");
  expect(shown("invoice\u202efdp.exe")).toBe("invoice[U+202E]fdp.exe");
  expect(shown("x\u2066y\u2069z")).toBe("x[U+2066]y[U+2069]z");
  expect(shown("a\u200bb\ufeff")).toBe("a[U+200B]b[U+FEFF]");
  expect(shown("ok\u{e0041}\u{e007f}")).toBe("ok[U+E0041][U+E007F]");
  expect(shown("\u0085\u007f")).toBe("[U+0085][␡]");
  expect(shown("half \ud800 pair")).toBe("half [U+D800] pair");
});

test("a cut never leaves half a character", () => {
  expect(beginning("ab👍", 3)).toBe("ab");
  expect(beginning("ab👍", 4)).toBe("ab👍");
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const TEXT = readFileSync(join(import.meta.dirname, "tokens.css"), "utf8");

function tokens(theme: 0 | 1): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", light = "", dark = ""] of TEXT.matchAll(/(--[\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)) {
    found.set(name, theme === 0 ? light : dark);
  }
  return found;
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const SURFACES = ["--bg", "--surface", "--raised", "--sunk", "--hover"];
const WASHES = ["good", "warn", "bad", "quiet"].map((tone) => [`--${tone}`, `--${tone}-wash`] as const);

/** What stands on what: 4.5 for text, 3 for marks and borders of fields. */
const TEXTS = [
  ...["--ink", "--soft", "--faint", "--accent"].flatMap((text) => SURFACES.map((on) => [text, on] as const)),
  ...["--good", "--warn", "--bad"].flatMap((text) => ["--surface", "--bg", "--raised", "--sunk"].map((on) => [text, on] as const)),
  ...WASHES,
  ...WASHES.map(([, wash]) => ["--ink", wash] as const),
  ["--accent", "--accent-wash"] as const,
  ["--ink", "--accent-wash"] as const,
  ["--on-accent", "--accent-fill"] as const,
  ["--on-accent", "--accent-press"] as const,
];
const MARKS = [
  ...["--good-mark", "--warn-mark", "--bad-mark", "--accent-fill", "--line-strong"].map((mark) => [mark, "--surface"] as const),
  ...["--plot-1", "--plot-2", "--plot-3", "--plot-4"].map((mark) => [mark, "--surface"] as const),
];

test.each([0, 1] as const)("every text and mark can be read in theme %i", (theme) => {
  const known = tokens(theme);
  const colour = (name: string) => known.get(name) ?? expect.fail(`${name} is no colour`);
  const poor = [
    ...TEXTS.map(([text, on]) => ({ text, on, least: 4.5 })),
    ...MARKS.map(([text, on]) => ({ text, on, least: 3 })),
  ]
    .map((pair) => ({ ...pair, is: contrast(colour(pair.text), colour(pair.on)) }))
    .filter(({ is, least }) => is < least)
    .map(({ text, on, is }) => `${text} on ${on}: ${is.toFixed(2)}`);

  expect(poor).toEqual([]);
});

test("black on white has the contrast that the standard says", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
});

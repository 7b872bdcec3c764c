import { expect, test } from "vitest";
import { ago, bytes, duration, money, percent, short } from "./format";

test.each([
  [null, 0, "–"],
  [0, 0, "$0.00"],
  [1_230_000_000, 0, "$1.23"],
  [1_230_000_000, 2, "≥ $1.23"],
  [0, 3, "not priced"],
  [4_200, 0, "$0.0000042"],
  [12_345_678, 0, "$0.012"],
  [12_345_670_000_000, 0, "$12,345.67"],
])("%s nanos with %i unpriced calls are written %s", (nanos, unpriced, written) => {
  expect(money(nanos, unpriced)).toBe(written);
});

test.each([
  [0, "0 s"],
  [0.35, "350 ms"],
  [0.9999, "1.0 s"],
  [9.99, "10 s"],
  [59.99, "1 min"],
  [252, "4 min 12 s"],
  [11_100, "3 h 5 min"],
  [187_200, "2 d 4 h"],
  [null, "–"],
])("%s seconds are written %s", (seconds, written) => {
  expect(duration(seconds)).toBe(written);
});

test("what was a moment ago is told coarsely", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");

  expect(ago("2026-11-25T11:59:59Z", now)).toBe("just now");
  expect(ago("2026-11-25T11:59:57Z", now)).toBe("3 s ago");
  expect(ago("2026-11-25T11:59:48Z", now)).toBe("12 s ago");
  expect(ago("2026-11-25T11:55:48Z", now)).toBe("4 min ago");
  expect(ago("2026-11-25T13:00:00Z", now)).toBe("in 1 h");
});

test("a share that is not all is never written as all", () => {
  expect(percent(99_999, 100_000)).toBe("> 99.9 %");
  expect(percent(1, 100_000)).toBe("< 0.1 %");
  expect(percent(100, 100)).toBe("100 %");
  expect(percent(0, 0)).toBe("–");
});

test("large figures keep three digits", () => {
  expect([short(9999), short(12_345), short(1_234_567)]).toEqual(["9,999", "12.3 k", "1.23 M"]);
  expect([bytes(312), bytes(1234)]).toEqual(["312 B", "1.23 kB"]);
});

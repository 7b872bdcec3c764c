import { expect, test } from "vitest";
import { sparkPath } from "./figures";
import { found } from "./palette";
import { windowOf } from "./table";

test("of a long list only the rows that are seen exist, and some around them", () => {
  expect(windowOf(0, 600, 30, 100_000)).toEqual({ from: 0, to: 28 });
  expect(windowOf(30_000, 600, 30, 100_000)).toEqual({ from: 992, to: 1028 });
  expect(windowOf(30_000, 600, 30, 10)).toEqual({ from: 9, to: 10 });
  expect(windowOf(0, 600, 30, 0)).toEqual({ from: 0, to: 0 });
});

test("a course of nothing is no line, and of zeros a flat one", () => {
  expect(sparkPath([1])).toBe("");
  expect(sparkPath([0, 0])).toBe("M0.0 29.0L100.0 29.0");
});

test("the palette shows what holds all words, its beginnings first", () => {
  const command = (word: string) => ({ word, said: "", icon: "link" as const, run: () => undefined });
  const all = [command("go home"), command("Home"), command("Batches")];

  expect(found(all, "home").map(({ word }) => word)).toEqual(["Home", "go home"]);
  expect(found(all, "HO go").map(({ word }) => word)).toEqual(["go home"]);
});

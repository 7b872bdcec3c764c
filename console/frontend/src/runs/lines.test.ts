import { describe, expect, it } from "vitest";
import { linesOf, NO_FILTER, opened, type Folding } from "./lines";
import { many, outline, row, turn } from "./made";
import { OutlineStore } from "./outline";

function stored(...given: Parameters<typeof outline>): OutlineStore {
  const store = new OutlineStore();
  store.apply(outline(...given));
  return store;
}

const folding = (openRows: string[] = [], closedTurns: string[] = []): Folding => ({
  openRows: new Set(openRows),
  closedTurns: new Set(closedTurns),
});
const keys = (store: OutlineStore, fold = folding(), filter = NO_FILTER, nested = (_: string): OutlineStore | undefined => undefined) =>
  linesOf(store, fold, filter, nested).map((line) => line.key);

describe("linesOf", () => {
  it("shows a run of one turn without a line for it", () => {
    expect(keys(stored([row("1"), row("2")]))).toEqual(["1", "2"]);
  });

  it("heads the steps of each turn where there are several, and hides those of closed ones", () => {
    const store = stored([row("1"), row("2", { turn: "t2" })], { turns: [turn(1), turn(2)] });

    expect(keys(store)).toEqual(["t1", "1", "t2", "2"]);
    expect(keys(store, folding([], ["t1"]))).toEqual(["t1", "t2", "2"]);
  });

  it("unfolds a child run in place, once it has come", () => {
    const store = stored([row("1"), row("2", { kind: "child", has_child: "agent/helper/x" }), row("3")]);
    const child = stored([row("1"), row("2", { kind: "child", has_child: "agent/helper/y" })]);

    expect(keys(store)).toEqual(["1", "2", "3"]);
    expect(keys(store, folding(["2"]))).toEqual(["1", "2", "2/…", "3"]);
    const nested = (id: string) => (id === "agent/helper/x" ? child : undefined);
    expect(keys(store, folding(["2", "2/2"]), NO_FILTER, nested)).toEqual(["1", "2", "2/1", "2/2", "2/2/…", "3"]);
  });

  it("unfolds rows of a child that came with the run itself", () => {
    const store = stored([row("2", { kind: "child" }), row("2/1", { parent: "2" })]);

    expect(keys(store, folding(["2"]))).toEqual(["2", "2/1"]);
  });

  it("leaves out what does not fit the filter, but for what leads to something that fits", () => {
    const store = stored([
      row("1", { name: "order" }),
      row("2", { kind: "child", has_child: "x" }),
      row("3", { summary: "An ORDER of lamps" }),
    ]);
    const child = stored([row("1", { name: "look" }), row("2", { name: "order" })]);

    const found = keys(store, folding(["2"]), { ...NO_FILTER, text: "order" }, () => child);
    const models = keys(store, folding(), { ...NO_FILTER, kinds: new Set(["child"]) });

    expect(found).toEqual(["1", "2", "2/2", "3"]);
    expect(models).toEqual(["2"]);
  });

  it("finds what failed, was tried again or waits", () => {
    const store = stored([
      row("1"),
      row("2", { failures: 1 }),
      row("3", { state: "timed_out" }),
      row("4", { kind: "wait", state: "running", ended_at: null }),
      row("5", { kind: "wait", state: "done" }),
    ]);

    expect(keys(store, folding(), { ...NO_FILTER, onlyTrouble: true })).toEqual(["2", "3", "4"]);
  });

  it("has a line for each of 5,000 steps", () => {
    expect(keys(stored(many(5_000)))).toHaveLength(5_000);
  });
});

describe("opened", () => {
  it("names what must be open to see a step", () => {
    expect([opened("12"), opened("12/3/1")]).toEqual([[], ["12", "12/3"]]);
  });
});

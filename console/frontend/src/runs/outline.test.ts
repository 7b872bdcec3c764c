import { describe, expect, it } from "vitest";
import { many, outline, row, turn } from "./made";
import { compareIds, OutlineStore } from "./outline";

const ids = (store: OutlineStore, parent = "") => store.children(parent).map((one) => one.id);

describe("compareIds", () => {
  it("orders steps by their numbers, those of a child behind their parent", () => {
    const sorted = ["10", "9/2", "2", "9/10", "9", "9/2/1"].sort(compareIds);

    expect(sorted).toEqual(["2", "9", "9/2", "9/2/1", "9/10", "10"]);
  });
});

describe("OutlineStore", () => {
  it("replaces a row that a delta names, and keeps the others as they are", () => {
    const store = new OutlineStore();
    store.apply(outline([row("1"), row("2", { state: "running" })]));
    const first = store.rows.get("1");

    store.apply(outline([row("2", { state: "done" }), row("3")], { is_delta: true, cursor: "c2", state: "completed" }));

    expect(ids(store)).toEqual(["1", "2", "3"]);
    expect(store.rows.get("1")).toBe(first);
    expect(store.children("")[1]?.state).toBe("done");
    expect([store.cursor, store.head?.state]).toEqual(["c2", "completed"]);
  });

  it("puts a row that came late where it belongs, and still finds it afterwards", () => {
    const store = new OutlineStore();
    store.apply(outline([row("1"), row("3")]));

    store.apply(outline([row("2")], { is_delta: true }));
    store.apply(outline([row("2", { state: "failed" }), row("3", { state: "failed" })], { is_delta: true }));

    expect(store.children("").map((one) => `${one.id} ${one.state}`)).toEqual(["1 done", "2 failed", "3 failed"]);
  });

  it("forgets what a whole outline does not have", () => {
    const store = new OutlineStore();
    store.apply(outline([row("1"), row("2"), row("2/1", { parent: "2" })]));

    store.apply(outline([row("1")]));

    expect([ids(store), ids(store, "2"), store.rows.size]).toEqual([["1"], [], 1]);
  });

  it("keeps rows of a child run with their parent", () => {
    const store = new OutlineStore();
    store.apply(outline([row("1"), row("1/1", { parent: "1" }), row("2")]));

    expect([ids(store), ids(store, "1")]).toEqual([["1", "2"], ["1/1"]]);
  });

  it("keeps turns that a delta does not name", () => {
    const store = new OutlineStore();
    store.apply(outline([], { turns: [turn(1), turn(2)] }));

    store.apply(outline([], { is_delta: true, turns: [{ ...turn(2), ended_at: "x" }, turn(3)] }));

    expect(store.turns.map((one) => [one.number, one.ended_at])).toEqual([[1, null], [2, "x"], [3, null]]);
  });

  it("comes by deltas to the same as in one go", () => {
    const rows = many(5_000);
    const whole = new OutlineStore();
    whole.apply(outline(rows));
    const grown = new OutlineStore();
    grown.apply(outline(rows.slice(0, 10)));

    for (let at = 10; at < rows.length; at += 7) grown.apply(outline(rows.slice(at - 3, at + 7), { is_delta: true }));

    expect(grown.children("")).toEqual(whole.children(""));
  });
});

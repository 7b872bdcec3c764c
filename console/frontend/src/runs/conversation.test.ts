import { describe, expect, it } from "vitest";
import { Matching, partsOf } from "./conversation";
import { many, outline, row, START, turn } from "./made";
import { OutlineStore } from "./outline";
import { Transcript } from "./transcript";

function stored(...given: Parameters<typeof outline>): OutlineStore {
  const store = new OutlineStore();
  store.apply(outline(...given));
  return store;
}

const kinds = (store: OutlineStore, transcript = new Transcript(), matching = new Matching()) =>
  partsOf(store, transcript, matching).map((part) => `${part.kind} ${part.key}`);

function streaming(at: number, text = "Hel"): Transcript {
  const transcript = new Transcript();
  const base = { at: (START + at) / 1000, call: "k1", attempt: 1 };
  transcript.add({ ...base, offset: 0, kind: "model_call_started", data: { model: "m" } });
  transcript.add({ ...base, offset: 1, kind: "text_delta", data: { text } });
  return transcript;
}

const asked = row("2", { kind: "model_call", state: "running", ended_at: null });

describe("partsOf", () => {
  it("begins each turn with what was said, and joins what nobody reads", () => {
    const store = stored(
      [
        row("1", { kind: "model_call" }),
        row("2"),
        row("3", { kind: "activity" }),
        row("4", { kind: "timer" }),
        row("5", { kind: "wait", turn: "t2" }),
      ],
      { turns: [turn(1), turn(2), turn(3)] },
    );

    expect(kinds(store)).toEqual(["said t1", "answer 1", "tool 2", "quiet 3", "said t2", "wait 5", "said t3"]);
  });

  it("shows a call that streams in its own step once there is one, and before that at the end", () => {
    const transcript = streaming(2_000);
    const matching = new Matching();
    const before = kinds(stored([row("1")]), transcript, matching);

    const parts = partsOf(stored([row("1"), asked]), transcript, matching);

    expect(before).toEqual(["said t1", "tool 1", "live live:k1"]);
    expect(parts.map((part) => part.key)).toEqual(["t1", "1", "2"]);
    expect(parts[2]).toMatchObject({ kind: "answer", live: { text: "Hel" } });
  });

  it("does not take an earlier call for the one that streams", () => {
    const early = row("1", { kind: "model_call" });
    const parts = partsOf(stored([early, { ...asked, began_at: new Date(START + 60_000).toISOString() }]), streaming(60_100), new Matching());

    expect(parts.map((part) => (part.kind === "answer" ? [part.key, part.live?.text] : part.kind))).toEqual([
      "said",
      ["1", undefined],
      ["2", "Hel"],
    ]);
  });

  it("keeps what was heard of a call that has ended, until the whole of it is read", () => {
    const transcript = streaming(2_000, "Hello");
    const matching = new Matching();
    partsOf(stored([asked]), transcript, matching);

    const parts = partsOf(stored([{ ...asked, state: "done", ended_at: asked.began_at }]), transcript, matching);

    expect(parts.at(-1)).toMatchObject({ kind: "answer", row: { state: "done" }, live: { text: "Hello" } });
  });

  it("takes 5,000 steps", () => {
    expect(partsOf(stored(many(5_000)), streaming(4_999_000), new Matching()).length).toBe(5_001);
  });
});

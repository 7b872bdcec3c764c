import { describe, expect, it } from "vitest";
import { Transcript } from "./transcript";
import type { RunEvent } from "./types";

let offset = 0;
const event = (kind: string, data: Record<string, unknown> = {}, given: Partial<RunEvent> = {}): RunEvent => ({
  offset: offset++,
  at: 1_000 + offset,
  kind,
  call: "c1",
  attempt: 1,
  data,
  ...given,
});

function read(events: RunEvent[]): Transcript {
  const transcript = new Transcript();
  for (const one of events) transcript.add(one);
  return transcript;
}

describe("Transcript", () => {
  it("puts the deltas of a call together, whatever comes between them", () => {
    offset = 0;
    const transcript = read([
      event("model_call_started", { model: "m" }),
      event("text_delta", { text: "Good " }),
      event("tool_started", { tool: "look" }, { call: "c2" }),
      event("thinking_delta", { text: "Hm." }),
      event("text_delta", { text: "day", missed: 2 }),
    ]);

    expect(transcript.calls.get("c1")).toMatchObject({ text: "Good […]day", thinking: "Hm.", name: "m", isModel: true });
    expect(transcript.calls.get("c2")).toMatchObject({ name: "look", isModel: false, isEnded: false });
  });

  it("has another object for a call after each event, so that what shows it is drawn again", () => {
    offset = 0;
    const transcript = read([event("model_call_started"), event("text_delta", { text: "Good " })]);
    const before = transcript.calls.get("c1");
    transcript.add(event("text_delta", { text: "day" }));

    expect(before).toMatchObject({ text: "Good " });
    expect(transcript.calls.get("c1")).toMatchObject({ text: "Good day" });
  });

  it("takes an event once, also where a reader begins again before it", () => {
    offset = 0;
    const events = [event("model_call_started"), event("text_delta", { text: "a" }), event("text_delta", { text: "b" })];
    const transcript = read(events);

    for (const again of events.slice(1)) expect(transcript.add(again)).toBe(false);
    expect(transcript.add(event("text_delta", { text: "c" }))).toBe(true);

    expect(transcript.calls.get("c1")?.text).toBe("abc");
  });

  it("drops what an attempt said once the next has begun, and ignores the one that was given up", () => {
    offset = 0;
    const transcript = read([
      event("model_call_started"),
      event("text_delta", { text: "Wrong" }),
      event("model_call_started", {}, { attempt: 2 }),
      event("text_delta", { text: "lost" }, { attempt: 1 }),
      event("text_delta", { text: "Right" }, { attempt: 2 }),
    ]);

    expect(transcript.calls.get("c1")).toMatchObject({ text: "Right", attempt: 2 });
  });

  it("begins anew at offset 0", () => {
    offset = 0;
    const transcript = read([event("model_call_started"), event("text_delta", { text: "old" })]);

    offset = 0;
    transcript.add(event("model_call_started", {}, { call: "c9" }));

    expect([...transcript.calls.keys()]).toEqual(["c9"]);
  });

  it("says how a call failed and how a tool gets on", () => {
    offset = 0;
    const transcript = read([
      event("tool_started", { tool: "order" }),
      event("tool_progress", { tool: "order", text: "Asking the supplier", item: "lamp" }),
      event("tool_progress", { tool: "order", done: 3 }),
      event("tool_failed", { tool: "order", type: "ValueError", message: "no", retry_in: 1 }),
    ]);

    expect(transcript.calls.get("c1")).toMatchObject({
      progress: ["Asking the supplier", '{"done":3}'],
      failure: "ValueError: no",
      isEnded: true,
    });
  });
});

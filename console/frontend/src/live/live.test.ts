import { afterEach, beforeEach, expect, test, vi } from "vitest";

class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static all: FakeSource[] = [];
  readyState = 1;
  onerror: (() => void) | null = null;

  constructor(readonly url: string) {
    super();
    FakeSource.all.push(this);
  }

  close(): void {
    this.readyState = FakeSource.CLOSED;
  }

  say(topic: string, data: string, lastEventId: string): void {
    this.dispatchEvent(new MessageEvent(topic, { data, lastEventId }));
  }

  refuse(): void {
    this.readyState = FakeSource.CLOSED;
    this.onerror?.();
  }
}

const opened = () => FakeSource.all.map((source) => new URL(source.url, "http://here").searchParams.get("after"));

beforeEach(() => {
  FakeSource.all = [];
  vi.useFakeTimers();
  vi.resetModules();
  vi.stubGlobal("EventSource", FakeSource);
  vi.stubGlobal("document", { visibilityState: "visible", cookie: "" });
  vi.stubGlobal("fetch", async () => Response.json({ role: "operate" }));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a stream that was refused goes on behind the last event that came", async () => {
  const { follow } = await import("./live");
  const got: string[] = [];
  follow("runs", { data: (text) => got.push(text) });
  await vi.advanceTimersByTimeAsync(100);
  FakeSource.all[0]?.say("runs", "some", "mark-1");
  FakeSource.all[0]?.refuse();
  await vi.advanceTimersByTimeAsync(5_000);

  expect(got).toEqual(["some"]);
  expect(opened()).toEqual([null, "mark-1"]);
});

test("whoever begins to listen gets all, also after a stream was refused", async () => {
  const { follow } = await import("./live");
  follow("runs", { data: () => undefined });
  await vi.advanceTimersByTimeAsync(100);
  FakeSource.all[0]?.say("runs", "some", "mark-1");
  FakeSource.all[0]?.refuse();
  follow("home", { data: () => undefined });
  await vi.advanceTimersByTimeAsync(5_000);

  expect(opened()).toEqual([null, null]);
});

test("a page says which of engine and ledger is away, and since when", async () => {
  const { connection, follow } = await import("./live");
  follow("runs", { data: () => undefined });
  await vi.advanceTimersByTimeAsync(100);
  const well = { at: "2026-11-26T12:00:00Z", engine: "ok", away_since: null, ledger: "ok", ledger_away_since: null };
  const since = "2026-11-26T11:59:00Z";
  const found = [
    well,
    { ...well, ledger: "away", ledger_away_since: since },
    { ...well, engine: "away", away_since: since },
    well,
  ].map((pulse) => {
    FakeSource.all[0]?.say("pulse", JSON.stringify(pulse), "");
    return connection.value;
  });

  expect(found).toEqual([
    { state: "live" },
    { state: "away", part: "ledger", since: Date.parse(since) },
    { state: "away", part: "engine", since: Date.parse(since) },
    { state: "live" },
  ]);
});

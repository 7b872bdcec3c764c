/** One event stream for all that this tab looks at. It is opened anew when that changes, and closed while nobody looks. */
import { computed, signal } from "@preact/signals";
import { get } from "../api/client";
import type { Problem, Pulse, Session } from "../api/types";
import { now } from "../lib/now";

/** Pulses come every 5 s; two that are missing are no accident. */
export const BEHIND_AFTER_MS = 12_000;
/** A stream that broke is back after a second, where the server lives: it ends each by itself at times. */
export const LOST_AFTER_MS = 3_000;
const SETTLE_MS = 40;
const HIDDEN_CLOSE_MS = 20_000;
const RETRY_MS = [1_000, 2_000, 4_000] as const;

export type Listener = { data: (text: string) => void; problem?: (problem: Problem) => void };
export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "behind"; since: number }
  | { state: "away"; part: "engine" | "ledger"; since: number }
  | { state: "signed-out" };

const heardAt = signal<number | null>(null);
const lostAt = signal<number | null>(null);
const pulse = signal<Pulse | null>(null);
export const signedOut = signal(false);
const openedAt = signal(Date.now());

export const connection = computed<Connection>(() => {
  if (signedOut.value) return { state: "signed-out" };
  const last = heardAt.value;
  const lost = lostAt.value;
  const isLost = lost !== null && now.value - lost > LOST_AFTER_MS;
  if (last === null) {
    const isLate = isLost || now.value - openedAt.value > BEHIND_AFTER_MS;
    return isLate ? { state: "behind", since: openedAt.value } : { state: "connecting" };
  }
  if (isLost || now.value - last > BEHIND_AFTER_MS) return { state: "behind", since: last };
  const told = pulse.value;
  if (told?.engine === "away")
    return { state: "away", part: "engine", since: Date.parse(told.away_since ?? told.at) };
  if (told?.ledger === "away")
    return { state: "away", part: "ledger", since: Date.parse(told.ledger_away_since ?? told.at) };
  return { state: "live" };
});

const listeners = new Map<string, Set<Listener>>();
let source: EventSource | null = null;
let openTopics = "";
/** Of the last event, for as long as all who listen have got what came before it. */
let lastId = "";
let settling: ReturnType<typeof setTimeout> | undefined;
let retrying: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

/** Follow a topic until the returned function is called. States come whole, whenever they change. */
export function follow(topic: string, listener: Listener): () => void {
  const all = listeners.get(topic) ?? new Set();
  listeners.set(topic, all.add(listener));
  lastId = "";
  settle();
  return () => {
    all.delete(listener);
    if (all.size === 0 && listeners.get(topic) === all) listeners.delete(topic);
    settle();
  };
}

/** Open the stream, and keep it for as long as the tab is seen. */
export function goLive(): void {
  let hiding: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.visibilityState === "visible") open();
    else hiding = setTimeout(close, HIDDEN_CLOSE_MS); // browsers give one origin few connections for all its tabs
  });
  addEventListener("online", reopen);
  settle();
}

/** Open the stream anew, such as after signing in. */
export function reopen(): void {
  close();
  failures = 0;
  lastId = "";
  open();
}

function settle(): void {
  clearTimeout(settling);
  settling = setTimeout(open, SETTLE_MS);
}

function close(): void {
  clearTimeout(retrying);
  source?.close();
  source = null;
}

function open(): void {
  if (typeof EventSource === "undefined" || document.visibilityState !== "visible" || signedOut.peek()) return;
  const wanted = [...listeners.keys()].sort();
  const key = wanted.join("\n");
  if (source && key === openTopics && source.readyState !== EventSource.CLOSED) return;
  close();
  if (key !== openTopics) lastId = "";
  openTopics = key;
  const query = new URLSearchParams(wanted.map((topic) => ["topic", topic]));
  if (lastId) query.set("after", lastId);
  const opened = new EventSource(`/v1/live?${query}`);
  source = opened;
  opened.addEventListener("pulse", (event) => {
    heard(event);
    pulse.value = JSON.parse(event.data) as Pulse;
  });
  opened.addEventListener("problem", (event) => {
    heard(event);
    const said = JSON.parse(event.data) as Problem & { topic: string };
    for (const listener of listeners.get(said.topic) ?? []) listener.problem?.(said);
  });
  for (const topic of wanted) {
    opened.addEventListener(topic, (event) => {
      heard(event);
      for (const listener of [...(listeners.get(topic) ?? [])]) listener.data(event.data);
    });
  }
  opened.onerror = () => {
    if (source !== opened) return;
    lostAt.value ??= Date.now();
    if (opened.readyState === EventSource.CLOSED) void comeBack();
  };
}

function heard(event: MessageEvent<string>): void {
  lastId = event.lastEventId;
  failures = 0;
  lostAt.value = null;
  heardAt.value = Date.now();
}

/** A browser gives up when an answer is no stream: learn whether the session ended, then try again. */
async function comeBack(): Promise<void> {
  close();
  const session = await get<Session>("/v1/session").catch(() => null);
  if (session && session.role === null) {
    signedOut.value = true;
    return;
  }
  clearTimeout(retrying);
  retrying = setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
}

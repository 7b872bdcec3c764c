import type { OutlineStore } from "./outline";
import type { LiveCall, Transcript } from "./transcript";
import { ENDED, type OutlineTurn, type Row, type Value } from "./types";

/** What one part of the conversation shows. */
export type Part =
  | { kind: "said"; key: string; turn: OutlineTurn; said: Value }
  | { kind: "answer"; key: string; row: Row; live: LiveCall | null }
  | { kind: "live"; key: string; live: LiveCall }
  | { kind: "tool"; key: string; row: Row; live: LiveCall | null }
  | { kind: "wait"; key: string; row: Row }
  | { kind: "child"; key: string; row: Row }
  | { kind: "message"; key: string; row: Row }
  | { kind: "quiet"; key: string; rows: Row[] };

const CLOCKS_APART = 5_000; // ms by which the clocks of engine and worker may differ

/**
 * Tells which step of the outline is which call of the events. Both come in the order in which calls began, but in
 * times of two clocks: a call is the earliest step of its sort that is not taken, and not too far from it in time.
 */
export class Matching {
  private readonly rowOf = new Map<string, string>();
  private readonly callOf = new Map<string, string>();

  /** Takes what has come; returns the call of each step that has one. */
  update(store: OutlineStore, transcript: Transcript): ReadonlyMap<string, string> {
    const free = [...transcript.calls.values()].filter((call) => !this.rowOf.has(call.call));
    if (free.length === 0) return this.callOf;
    const earliest = Math.min(...free.map((call) => call.at)) - CLOCKS_APART;
    const rows = store.children("").filter((row) => isCall(row) && !this.callOf.has(row.id));
    const candidates = rows.filter((row) => row.ended_at === null || Date.parse(row.ended_at) >= earliest);
    for (const call of free) {
      const found = candidates.find((row) => !this.callOf.has(row.id) && isSame(row, call));
      if (!found) continue;
      this.rowOf.set(call.call, found.id);
      this.callOf.set(found.id, call.call);
    }
    return this.callOf;
  }

  isMatched(call: string): boolean {
    return this.rowOf.has(call);
  }
}

function isCall(row: Row): boolean {
  return row.kind === "model_call" || row.kind === "tool_call";
}

function isSame(row: Row, call: LiveCall): boolean {
  if ((row.kind === "model_call") !== call.isModel) return false;
  if (!call.isModel && call.name !== "" && call.name !== row.name) return false;
  const began = Date.parse(row.began_at) - CLOCKS_APART;
  const ended = row.ended_at === null ? Number.POSITIVE_INFINITY : Date.parse(row.ended_at) + CLOCKS_APART;
  return call.at >= began && call.at <= ended;
}

/** Returns the conversation of a run, in order; what streams and has no step yet is at its end. */
export function partsOf(store: OutlineStore, transcript: Transcript, matching: Matching): Part[] {
  const calls = matching.update(store, transcript);
  const live = (row: Row) => transcript.calls.get(calls.get(row.id) ?? "") ?? null;
  const said = new Map(store.turns.map((turn) => [turn.id, turn]));
  const parts: Part[] = [];
  const begun = new Set<string>();
  const begin = (turn: OutlineTurn | undefined) => {
    if (!turn || begun.has(turn.id)) return;
    begun.add(turn.id);
    if (turn.said) parts.push({ kind: "said", key: turn.id, turn, said: turn.said });
  };
  for (const row of store.children("")) {
    begin(said.get(row.turn));
    const part = partOf(row, live);
    const last = parts[parts.length - 1];
    if (part.kind === "quiet" && last?.kind === "quiet") last.rows.push(row);
    else parts.push(part);
  }
  for (const turn of store.turns) begin(turn);
  for (const call of transcript.calls.values()) {
    if (matching.isMatched(call.call) || (call.isEnded && !call.isModel)) continue;
    if (call.isEnded && call.failure === null && call.text === "") continue;
    parts.push({ kind: "live", key: `live:${call.call}`, live: call });
  }
  return parts;
}

function partOf(row: Row, live: (row: Row) => LiveCall | null): Part {
  const key = row.id;
  switch (row.kind) {
    case "model_call":
      return { kind: "answer", key, row, live: live(row) };
    case "tool_call":
      return { kind: "tool", key, row, live: ENDED.has(row.state) ? null : live(row) };
    case "wait":
      return { kind: "wait", key, row };
    case "child":
      return { kind: "child", key, row };
    case "message":
      return { kind: "message", key, row };
    default:
      return { kind: "quiet", key, rows: [row] };
  }
}

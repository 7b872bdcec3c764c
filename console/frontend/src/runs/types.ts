/** One run on the wire: its outline, its entries and its events. */

export interface Preview {
  ref: string;
  size: number;
  content?: unknown;
  is_cut?: boolean;
  problem?: string | null;
}

export interface Failure {
  type: string;
  message: string;
  at?: string | null;
}

export type RowKind = "model_call" | "tool_call" | "activity" | "wait" | "timer" | "message" | "child";

export interface Row {
  id: string;
  parent: string;
  turn: string;
  kind: string;
  name: string;
  state: string;
  began_at: string;
  ended_at: string | null;
  seconds: number | null;
  attempts: number;
  failures: number;
  summary: string;
  model: string | null;
  input_tokens: number | null;
  output_tokens: number | null;
  usd_nanos: number | null;
  has_child: string | null;
  policy: string | null;
  ledger_state: string | null;
}

export interface OutlineTurn {
  id: string;
  number: number;
  began_at: string | null;
  ended_at: string | null;
  said: Preview | null;
}

export interface HistoryPart {
  id: string;
  began_at: string;
  events: number;
}

export interface Totals {
  model_calls: number;
  tool_calls: number;
  failures: number;
  input_tokens: number;
  output_tokens: number;
  usd_nanos: number;
  unpriced: number;
}

export interface Outline {
  id: string;
  cursor: string;
  is_delta: boolean;
  agent: string | null;
  state: string;
  problem: string | null;
  began_at: string | null;
  ended_at: string | null;
  totals: Totals;
  parts: HistoryPart[];
  turns: OutlineTurn[];
  entries: Row[];
  failure: Failure | null;
  output: Preview | null;
  notes: string[];
  temporal_url: string | null;
}

/** What happened while a run goes on, as `…/events` gives it. */
export interface RunEvent {
  offset: number;
  at: number;
  kind: string;
  call?: string | null;
  attempt?: number;
  data: Record<string, unknown>;
}

export const ENDED: ReadonlySet<string> = new Set(["done", "failed", "cancelled", "timed_out", "terminated"]);

export const CLOSED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "terminated", "timed out"]);

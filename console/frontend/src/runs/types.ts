/** One run on the wire: its outline, its entries and its events. */

import type { Question } from "../api/types";

/** Something that was said, given or returned; of one that is cut the beginning. */
export interface Value {
  ref: string;
  size: number;
  content: unknown;
  is_cut: boolean;
  problem: string | null;
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
  said: Value | null;
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
  /** Whether all was read up to the newest event; if not, more follows at once. */
  is_whole: boolean;
  workflow_type: string;
  agent: string | null;
  plan: string | null;
  run_id: string;
  state: string;
  problem: string | null;
  questions: Question[];
  began_at: string | null;
  ended_at: string | null;
  totals: Totals;
  parts: HistoryPart[];
  turns: OutlineTurn[];
  entries: Row[];
  input: Value | null;
  output: Value | null;
  failure: Failure | null;
  notes: string[];
  temporal_url: string;
}

/** An entry whole, with the fields of its kind and what the ledger has of its call. */
export interface Entry {
  id: string;
  kind: string;
  name: string;
  state: string;
  began_at: string;
  ended_at: string | null;
  seconds: number | null;
  activity_type?: string;
  started_at?: string | null;
  attempts?: number;
  failures?: number;
  failure?: Failure | null;
  next_at?: string | null;
  worker?: string;
  model?: string;
  input_tokens?: number | null;
  output_tokens?: number | null;
  usd_nanos?: number | null;
  finish?: string | null;
  text?: Value | null;
  thinking?: Value | null;
  asked?: { tool: string; tool_call_id: string; args: Value }[];
  toolset?: string;
  tool_call_id?: string;
  args?: Value | null;
  result?: Value | null;
  verdict?: string;
  question_id?: string;
  reason?: string;
  choices?: string[];
  choice?: string | null;
  decided_by?: string;
  fires_at?: string;
  content?: Value | null;
  sent_by?: string;
  workflow_id?: string;
  messages_ref?: string | null;
  ledger?: LedgerState | null;
}

export interface LedgerState {
  key: string;
  policy: string | null;
  state: string;
  attempts: number;
  failures: number;
  error: string | null;
  settled: Record<string, unknown> | null;
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

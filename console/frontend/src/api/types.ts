/* What the API says. The names are those of its OpenAPI description. */

export interface Problem {
  title: string;
  status: number;
  detail: string;
  error?: string;
  errors?: { where: string; why: string }[];
}

export type Role = "look" | "decide" | "operate";

export interface Session {
  role: Role | null;
  name: string;
  needs_sign_in: boolean;
  csrf: string | null;
  version: string;
  project: string;
  demo: boolean;
  temporal_ui: string | null;
}

export interface Pulse {
  at: string;
  engine: "ok" | "away";
  away_since: string | null;
  ledger: "ok" | "away";
  ledger_away_since: string | null;
}

export interface Engine {
  state: "ok" | "away";
  address: string | null;
  version: string | null;
  away_since: string | null;
  ui: string | null;
}

export interface Question {
  question_id: string;
  reason: string;
  choices: string[];
  subject: string;
  kind: string;
}

export interface RunView {
  id: string;
  kind: "agent" | "plan";
  name: string;
  run_id: string;
  state: string;
  problem: string | null;
  questions: Question[];
  waiting: { name: string; attempt: number; reason: string; next_at: string | null }[];
  started_at: string | null;
  closed_at: string | null;
  taken_by: string | null;
  is_conversation: boolean;
}

export interface HandOffView {
  id: string;
  run: string;
  agent: string;
  kind: string;
  subject: string;
  reason: string;
  choices: string[];
  state: "open" | "decided" | "expired" | "void";
  opened_at: string;
  claimed_by: string | null;
  escalated_to: string | null;
  choice: string | null;
  decided_by: string | null;
  decided_at: string | null;
  note: string | null;
  about: Record<string, unknown>;
  value: unknown;
}

export interface BatchView {
  id: string;
  state: string;
  state_reason: string | null;
  problem: string | null;
  source: string;
  model: string;
  concurrency: number;
  documents: number;
  duplicates: number;
  done: number;
  failed: Record<string, number>;
  missing: number;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  usd_nanos: number;
}

export interface BatchCard extends BatchView {
  created_at: string;
  finished_at: string | null;
  documents_per_minute: number | null;
  seconds_left: number | null;
  reused: number;
  begun_again: number;
  in_flight: number;
  unpriced: number;
}

export interface Forecast {
  seconds_left: number | null;
  ends_at: string | null;
  usd_nanos: number | null;
  basis: string;
}

export interface BudgetView {
  key: string;
  usd_nanos: number | null;
  tokens: number | null;
  calls: number | null;
  spent_usd_nanos: number;
  spent_tokens: number;
  spent_calls: number;
  held_usd_nanos: number;
  held_tokens: number;
  held_calls: number;
  doubtful_usd_nanos: number;
  doubtful_tokens: number;
  doubtful_calls: number;
  waiting: string[];
  state: "open" | "exhausted";
}

export interface BatchPage extends BatchCard {
  forecast: Forecast | null;
  budget: BudgetView | null;
}

export interface Series {
  step_seconds: number;
  times: number[];
  done: number[];
  failed: number[];
  calls: number[];
  input_tokens: number[];
  output_tokens: number[];
  usd_nanos: number[];
  p50_seconds: (number | null)[];
  p95_seconds: (number | null)[];
}

export interface DocumentRow {
  position: number;
  uri: string;
  status: "done" | "failed" | null;
  cause: string | null;
  reason: string | null;
  result_preview: string | null;
  model: string | null;
  usd_nanos: number | null;
  seconds: number | null;
  recorded_at: string | null;
  duplicate_of: number | null;
  times_begun: number;
}

export interface SourceText {
  text: string | null;
  is_cut: boolean;
  from: "source" | "read" | "none";
  note: string | null;
}

export interface DocumentDetail extends DocumentRow {
  fields: Record<string, unknown>;
  result: unknown;
  source: SourceText;
}

export interface DocumentPage {
  items: DocumentRow[];
  next: string | null;
  scanned_to: number;
  total: number | null;
}

export interface FailureGroup {
  cause: string;
  documents: number;
  explanation: string;
  example: DocumentRow;
}

export interface Spent {
  calls: number;
  input_tokens: number;
  output_tokens: number;
  usd_nanos: number;
  unpriced_calls: number;
}

export interface MoneyRow extends Spent {
  group: string;
}

export interface MoneyView {
  by: string;
  /** First day that counts; "" for all. */
  since: string;
  rows: MoneyRow[];
  total: Spent;
}

export interface Stuck {
  id: string;
  kind: "agent" | "plan" | "batch";
  name: string;
  problem: string;
  since: string | null;
}

export interface Home {
  as_of: string;
  engine: Engine;
  running: { agents: number | null; plans: number | null; batches: number };
  waiting: number;
  stuck: Stuck[];
  money_today: Spent;
  rates: { documents_per_minute: number | null; calls_per_minute: number | null };
  hand_offs: HandOffView[];
  batches: BatchCard[];
  recent: RunView[];
  workers: { running: number | null; silent: number | null };
  deliveries_parked: number;
}

export interface Worker {
  identity: string;
  host: string;
  pid: string;
  task_queue: string;
  state: string;
  app: string;
  build: string;
  heard_at: string | null;
  used_slots: number;
  free_slots: number;
}

export interface Deployment {
  name: string;
  current: string | null;
  versions: { build: string; state: string; created_at: string | null; was_current: string | null }[];
}

export interface Delivery {
  number: number;
  workflow_id: string;
  occurrence: string;
  target: string;
  attempts: number;
  error: string | null;
  created_at: string;
}

export interface Fleet {
  as_of: string;
  engine: Engine;
  workers: Worker[];
  deployments: Deployment[];
  queues: { name: string; pollers: number; backlog: number; oldest_seconds: number | null }[];
  deliveries: { waiting: number; delivered: number; parked: number };
  parked: Delivery[];
}

export interface Verdict {
  holds: boolean;
  total: number;
  done: number;
  failed: number;
  lost: number;
  done_twice: number;
  begun_again: number;
  read_again: number;
  kills: number;
}

export interface Demo {
  workers: { index: number; pid: number | null; alive: boolean; restarts: number }[];
  kills: number;
  /** At the end, from the ledger and the document server's own counters. */
  verdict: Verdict | null;
}

export interface AppView {
  name: string;
  agents: { name: string; description: string | null; deps_schema: unknown }[];
  plans: { name: string; summary: string; input_schema: unknown }[];
  batches: { name: string; instruction: string | null }[];
}

import type { Outline, OutlineTurn, Row } from "./types";

/** Rows and outlines for tests. */

export const START = Date.parse("2026-11-25T10:00:00Z");

export function iso(ms: number): string {
  return new Date(START + ms).toISOString();
}

export function row(id: string, given: Partial<Row> = {}): Row {
  return {
    id,
    parent: "",
    turn: "t1",
    kind: "tool_call",
    name: "look",
    state: "done",
    began_at: iso(Number(id.split("/").pop()) * 1000),
    ended_at: iso(Number(id.split("/").pop()) * 1000 + 500),
    seconds: 0.5,
    attempts: 1,
    failures: 0,
    summary: "",
    model: null,
    input_tokens: null,
    output_tokens: null,
    usd_nanos: null,
    has_child: null,
    policy: null,
    ledger_state: null,
    ...given,
  };
}

export function turn(number: number, said: unknown = `Question ${number}`): OutlineTurn {
  const ref = `t${number}.said`;
  return { id: `t${number}`, number, began_at: iso(0), ended_at: null, said: { ref, size: 10, content: said, is_cut: false, problem: null } };
}

export function outline(entries: Row[], given: Partial<Outline> = {}): Outline {
  return {
    id: "agent/desk/lamps",
    cursor: "c1",
    is_delta: false,
    is_whole: true,
    workflow_type: "outlive_agent",
    agent: "desk",
    plan: null,
    run_id: "lamps",
    state: "running",
    problem: null,
    questions: [],
    began_at: iso(0),
    ended_at: null,
    totals: { model_calls: 0, tool_calls: 0, failures: 0, input_tokens: 0, output_tokens: 0, usd_nanos: 0, unpriced: 0 },
    parts: [],
    turns: [turn(1)],
    entries,
    input: null,
    output: null,
    failure: null,
    notes: [],
    temporal_url: "/temporal/x",
    ...given,
  };
}

/** A run of many steps: a model call, then a tool call, and so on, in one turn. */
export function many(count: number): Row[] {
  return Array.from({ length: count }, (_, at) =>
    row(String(at + 1), at % 2 === 0 ? { kind: "model_call", name: "model_request", model: "test" } : {}),
  );
}

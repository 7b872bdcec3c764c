import type { RunEvent } from "./types";

const STARTS = new Set(["model_call_started", "tool_started"]);
const ENDS = new Set(["model_call_ended", "tool_ended"]);
const FAILURES = new Set(["model_call_failed", "tool_failed"]);
const GAP = "[…]";
const MOST_PROGRESS = 20; // lines of a tool that a reader may want to see again

/** One model or tool call as its last attempt has it so far: another object after each event, so that pages see it. */
export interface LiveCall {
  call: string;
  attempt: number;
  isModel: boolean;
  /** Of its first attempt, in ms since the epoch. */
  at: number;
  name: string;
  text: string;
  thinking: string;
  progress: string[];
  isEnded: boolean;
  failure: string | null;
}

/**
 * Folds the events of a run, in their order, into what a reader should see of calls. An event that was seen before
 * changes nothing, so that a reader that lost its connection may begin a little before where it left off.
 */
export class Transcript {
  readonly calls = new Map<string, LiveCall>();
  nextOffset = 0;
  revision = 0;

  /** Takes an event; returns whether it changed anything. */
  add(event: RunEvent): boolean {
    if (event.offset === 0 && this.nextOffset > 1) this.calls.clear();
    else if (event.offset < this.nextOffset) return false;
    this.nextOffset = event.offset + 1;
    const key = event.call;
    if (key === null || key === undefined) return false;
    const attempt = event.attempt ?? 1;
    let found = this.calls.get(key);
    if (found !== undefined && attempt < found.attempt) return false;
    if (found === undefined || attempt > found.attempt || STARTS.has(event.kind)) {
      found = begun(key, attempt, event, found);
    }
    this.calls.set(key, told(found, event));
    this.revision += 1;
    return true;
  }

  /** Forgets calls that the outline shows whole by now. */
  forget(key: string): void {
    if (this.calls.delete(key)) this.revision += 1;
  }
}

function begun(call: string, attempt: number, event: RunEvent, before: LiveCall | undefined): LiveCall {
  return {
    call,
    attempt,
    isModel: /^(model|text|thinking)_/.test(event.kind),
    at: before?.at ?? event.at * 1000,
    name: before?.name ?? "",
    text: "",
    thinking: "",
    progress: [],
    isEnded: false,
    failure: null,
  };
}

function told(before: LiveCall, event: RunEvent): LiveCall {
  const { data, kind } = event;
  const call = { ...before };
  const text = typeof data["text"] === "string" ? data["text"] : "";
  const name = data["tool"] ?? data["model"];
  if (typeof name === "string") call.name = name;
  if (kind === "text_delta") call.text += (data["missed"] ? GAP : "") + text;
  else if (kind === "thinking_delta") call.thinking += (data["missed"] ? GAP : "") + text;
  else if (kind === "tool_progress") call.progress = [...call.progress, progressOf(data)].slice(-MOST_PROGRESS);
  if (ENDS.has(kind) || FAILURES.has(kind)) call.isEnded = true;
  if (FAILURES.has(kind)) call.failure = `${String(data["type"] ?? "Failure")}: ${String(data["message"] ?? "")}`;
  return call;
}

function progressOf(data: Record<string, unknown>): string {
  const text = data["text"] ?? data["message"];
  if (typeof text === "string") return text;
  const { tool: _tool, ...rest } = data;
  return JSON.stringify(rest);
}

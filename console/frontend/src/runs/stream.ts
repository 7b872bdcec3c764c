/** What a run says while it says it: the events of its log, folded into calls. */
import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { runPath } from "../api/client";
import { Transcript } from "./transcript";
import type { RunEvent } from "./types";

const LAST_EVENTS = 1000; // of a run that goes on for long, what is being said now is among them
const SHOWN_EVERY_MS = 80;
/** Browsers come back to a stream that broke, but not where the answer was none: a console that starts, or no more events. */
const AGAIN_MS = 3_000;

const KINDS = [
  "model_call_started",
  "text_delta",
  "thinking_delta",
  "model_call_ended",
  "model_call_failed",
  "tool_started",
  "tool_progress",
  "tool_ended",
  "tool_failed",
];

export interface Stream {
  transcript: Transcript;
  revision: Signal<number>;
}

/** Follows what a run says for as long as it is open and this page is looked at. */
export function useStream(id: string, isOpen: boolean): Stream {
  const stream = useMemo<Stream>(() => ({ transcript: new Transcript(), revision: signal(0) }), [id]);
  useEffect(() => {
    if (!isOpen || !id.startsWith("agent/")) return undefined;
    const listener = new Listener(id, stream);
    listener.look();
    const look = () => listener.look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      listener.close();
    };
  }, [id, isOpen, stream]);
  return stream;
}

class Listener {
  private source: EventSource | null = null;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly id: string,
    private readonly stream: Stream,
  ) {}

  look(): void {
    if (document.visibilityState !== "visible") this.close();
    else if (this.source === null) this.open();
  }

  close(): void {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
  }

  private open(): void {
    const next = this.stream.transcript.nextOffset;
    const from = next > 0 ? `from=${next}` : `last=${LAST_EVENTS}`;
    const source = new EventSource(`${runPath(this.id, "events")}?${from}`);
    for (const kind of KINDS) source.addEventListener(kind, (event) => this.take(event));
    source.addEventListener("closed", () => source.close());
    source.onerror = () => {
      if (this.source !== source || source.readyState !== EventSource.CLOSED) return;
      this.close();
      this.again = setTimeout(() => this.look(), AGAIN_MS);
    };
    this.source = source;
  }

  private take(event: MessageEvent<string>): void {
    if (!this.stream.transcript.add(JSON.parse(event.data) as RunEvent)) return;
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.stream.revision.value = this.stream.transcript.revision;
    }, SHOWN_EVERY_MS);
  }
}

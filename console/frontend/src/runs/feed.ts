/** Runs that a page looks at: read part by part, then followed. The last ones are kept for the way back. */
import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { asProblem, get, queryText } from "../api/client";
import type { Problem } from "../api/types";
import { follow } from "../live/live";
import { OutlineStore } from "./outline";
import { CLOSED, type Outline } from "./types";

const READ_SECONDS = 1; // after which a long run is shown as far as it was read
const KEPT = 8;

export interface RunFeed {
  id: string;
  store: OutlineStore;
  /** Moves whenever the store has taken something. */
  revision: Signal<number>;
  problem: Signal<Problem | undefined>;
  isReading: Signal<boolean>;
}

const feeds = new Map<string, RunFeed>();
const readers = new Map<string, { count: number; end: () => void }>();

/** The path of any workflow in the API. */
export function workflowPath(id: string, ...more: string[]): string {
  return `/v1/workflows/${[...id.split("/"), ...more].map(encodeURIComponent).join("/")}`;
}

export function feedOf(id: string): RunFeed {
  const known = feeds.get(id);
  if (known) return known;
  const feed: RunFeed = {
    id,
    store: new OutlineStore(),
    revision: signal(0),
    problem: signal<Problem | undefined>(undefined),
    isReading: signal(true),
  };
  feeds.set(id, feed);
  for (const oldest of feeds.keys()) {
    if (feeds.size <= KEPT) break;
    if (!readers.has(oldest)) feeds.delete(oldest);
  }
  return feed;
}

/** Reads a run, and follows it until it has ended; until the returned function is called. */
export function attend(id: string): () => void {
  const known = readers.get(id);
  if (known) known.count += 1;
  else readers.set(id, { count: 1, end: begin(feedOf(id)) });
  return () => {
    const reader = readers.get(id);
    if (!reader) return;
    reader.count -= 1;
    if (reader.count > 0) return;
    reader.end();
    readers.delete(id);
  };
}

export function useRun(id: string): RunFeed {
  useEffect(() => attend(id), [id]);
  return feedOf(id);
}

function begin(feed: RunFeed): () => void {
  const leaving = new AbortController();
  let unfollow: (() => void) | undefined;
  const done = () => {
    unfollow?.();
    unfollow = undefined;
  };
  const taken = (outline: Outline) => {
    feed.store.apply(outline);
    feed.problem.value = undefined;
    feed.revision.value = feed.store.revision;
    if (CLOSED.has(outline.state) && outline.is_whole) done();
  };
  void read(feed, taken, leaving.signal).then((isOpen) => {
    if (!isOpen || leaving.signal.aborted) return;
    unfollow = follow(`run:${feed.id}`, {
      data: (text) => taken(JSON.parse(text) as Outline),
      problem: (problem) => {
        feed.problem.value = problem;
      },
    });
  });
  return () => {
    leaving.abort();
    done();
  };
}

/** Reads to the newest event; returns whether there may be more to come. */
async function read(feed: RunFeed, taken: (outline: Outline) => void, leaving: AbortSignal): Promise<boolean> {
  feed.isReading.value = true;
  try {
    for (;;) {
      const query = queryText({ since: feed.store.cursor, within: READ_SECONDS });
      const outline = await get<Outline>(workflowPath(feed.id, "outline") + query, leaving);
      taken(outline);
      if (outline.is_whole) return !CLOSED.has(outline.state);
    }
  } catch (error) {
    if (leaving.aborted) return false;
    feed.problem.value = asProblem(error);
    return true;
  } finally {
    feed.isReading.value = false;
  }
}

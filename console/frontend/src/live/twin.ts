/** The state behind a page: read once, then kept as the event stream tells it. */
import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { UNREACHED, asProblem, get } from "../api/client";
import type { Problem } from "../api/types";
import { connection, follow } from "./live";

export interface Twin<T> {
  /** Undefined before the first answer. Stays when something goes wrong later. */
  data: Signal<T | undefined>;
  problem: Signal<Problem | undefined>;
  /** Milliseconds since the epoch, of what `data` shows. */
  at: Signal<number>;
  reload: () => Promise<void>;
}

const KEPT = 40;
const twins = new Map<string, Twin<unknown>>();

/** The twin of a path; the last ones are kept, so that the way back shows at once what was there. */
export function twinOf<T>(path: string): Twin<T> {
  const known = twins.get(path) as Twin<T> | undefined;
  if (known) {
    twins.delete(path);
    twins.set(path, known);
    return known;
  }
  const twin: Twin<T> = {
    data: signal<T | undefined>(undefined),
    problem: signal<Problem | undefined>(undefined),
    at: signal(0),
    reload: () => load(twin, path),
  };
  twins.set(path, twin);
  for (const oldest of twins.keys()) {
    if (twins.size <= KEPT) break;
    twins.delete(oldest);
  }
  return twin;
}

/** What is wrong with a twin itself: that nobody answers is said above every page, once something is shown. */
export function ownProblem<T>(twin: Twin<T>): Problem | undefined {
  const problem = twin.problem.value;
  const isElsewhere = problem?.status === UNREACHED || problem?.status === 503 || problem?.status === 401;
  return isElsewhere && twin.data.value !== undefined ? undefined : problem;
}

/** Forget all that was read, such as after signing in as somebody else. */
export function forgetTwins(): void {
  twins.clear();
}

async function load<T>(twin: Twin<T>, path: string): Promise<void> {
  const asked = Date.now();
  try {
    const found = await get<T>(path);
    if (twin.at.peek() <= asked) take(twin, found, asked); // the stream may have told something newer meanwhile
  } catch (error) {
    twin.problem.value = asProblem(error);
  }
}

export function take<T>(twin: Twin<T>, found: T, at = Date.now()): void {
  twin.data.value = found;
  twin.problem.value = undefined;
  twin.at.value = at;
}

/**
 * Read a path, and follow its topic where there is one; null reads nothing yet.
 *
 * Args:
 *   path: Of the API; its answer and the topic's data are the same type.
 *   topic: Of `/v1/live`.
 *   everySeconds: Read again so often, for what has no topic.
 */
export function useTwin<T>(path: string | null, topic?: string | null, everySeconds?: number): Twin<T> {
  const twin = twinOf<T>(path ?? "");
  useEffect(() => {
    if (path === null) return undefined;
    void twin.reload();
    const ends: (() => void)[] = [];
    if (topic) {
      ends.push(
        follow(topic, {
          data: (text) => take(twin, JSON.parse(text) as T),
          problem: (problem) => {
            twin.problem.value = problem;
          },
        }),
      );
    } else {
      ends.push(whenBack(() => void twin.reload()));
    }
    if (everySeconds) {
      const timer = setInterval(() => {
        if (document.visibilityState === "visible") void twin.reload();
      }, everySeconds * 1000);
      ends.push(() => clearInterval(timer));
    }
    return () => {
      for (const end of ends) end();
    };
  }, [path, topic, everySeconds]);
  return twin;
}

/** Call this each time the connection is there again. */
function whenBack(then: () => void): () => void {
  let before = connection.peek().state;
  return connection.subscribe(({ state }) => {
    if (state === "live" && (before === "behind" || before === "away" || before === "signed-out")) then();
    before = state;
  });
}

/** Entries whole, as they are asked for; those that have ended do not change any more, and are kept. */
import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { asProblem, get } from "../api/client";
import type { Problem } from "../api/types";
import { workflowPath } from "./feed";
import { ENDED, type Entry, type Row, type Value } from "./types";

const KEPT = 400;

export interface Known {
  entry: Signal<Entry | undefined>;
  problem: Signal<Problem | undefined>;
  /** The row as it was when the entry was read. */
  of: Row | null;
}

const all = new Map<string, Known>();

function knownOf(key: string): Known {
  let known = all.get(key);
  if (known) all.delete(key);
  known ??= { entry: signal<Entry | undefined>(undefined), problem: signal<Problem | undefined>(undefined), of: null };
  all.set(key, known);
  for (const oldest of all.keys()) {
    if (all.size <= KEPT) break;
    all.delete(oldest);
  }
  return known;
}

/** Reads an entry when it is wanted, and again whenever its row has changed. */
export function useEntry(owner: string, row: Row | null, isWanted = true): Known {
  const known = knownOf(`${owner}\n${row?.id ?? ""}`);
  useEffect(() => {
    if (row === null || !isWanted || isRead(known, row)) return;
    known.of = row;
    get<Entry>(workflowPath(owner, "entries", row.id)).then(
      (entry) => {
        known.entry.value = entry;
        known.problem.value = undefined;
      },
      (error) => {
        known.of = null;
        known.problem.value = asProblem(error);
      },
    );
  }, [known, owner, row, isWanted]);
  return known;
}

function isRead(known: Known, row: Row): boolean {
  return known.of === row || (known.of !== null && ENDED.has(known.of.state) && known.of.state === row.state);
}

/** Reads a value whole. */
export function valueOf(owner: string, ref: string): Promise<Value> {
  return get<Value>(`${workflowPath(owner, "values")}?${new URLSearchParams({ ref })}`);
}

import type { OutlineStore } from "./outline";
import { ENDED, type OutlineTurn, type Row } from "./types";

/**
 * What one line of the timeline shows. `key` is the stable name of the entry within the whole run, `12` or `12/3`;
 * `owner` is the workflow id of the run that it is an entry of.
 */
export type Line =
  | { kind: "turn"; key: string; turn: OutlineTurn; steps: number; isOpen: boolean }
  | { kind: "row"; key: string; owner: string; row: Row; depth: number; canOpen: boolean; isOpen: boolean }
  | { kind: "loading"; key: string; depth: number; workflowId: string };

export interface Folding {
  /** Turns whose steps are not shown. */
  closedTurns: ReadonlySet<string>;
  /** Steps whose own run is shown in place. */
  openRows: ReadonlySet<string>;
}

export interface Filter {
  text: string;
  kinds: ReadonlySet<string>;
  onlyTrouble: boolean;
}

export const NO_FILTER: Filter = { text: "", kinds: new Set(), onlyTrouble: false };

export type Nested = (workflowId: string) => OutlineStore | undefined;

/** Whether a step failed, was tried again, or waits for somebody. */
export function isTrouble(row: Row): boolean {
  return (
    row.failures > 0 ||
    (ENDED.has(row.state) && row.state !== "done") ||
    row.state === "retrying" ||
    (row.kind === "wait" && !ENDED.has(row.state))
  );
}

const texts = new WeakMap<Row, string>();

function textOf(row: Row): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = `${row.name}\n${row.summary}\n${row.model ?? ""}\n${row.state}`.toLowerCase();
    texts.set(row, text);
  }
  return text;
}

function isEmpty(filter: Filter): boolean {
  return filter.text === "" && filter.kinds.size === 0 && !filter.onlyTrouble;
}

function fits(row: Row, filter: Filter): boolean {
  if (filter.onlyTrouble && !isTrouble(row)) return false;
  if (filter.kinds.size > 0 && !filter.kinds.has(row.kind)) return false;
  return filter.text === "" || textOf(row).includes(filter.text.toLowerCase());
}

/** Returns the lines that are to be seen of a run, in order. */
export function linesOf(store: OutlineStore, folding: Folding, filter: Filter, nested: Nested): Line[] {
  const builder = new Builder(folding, filter, nested);
  const rows = store.children("");
  const turns = store.turns.filter((turn) => turn.number > 0);
  if (turns.length < 2) {
    builder.rows(store, rows, "", 0);
    return builder.lines;
  }
  const byTurn = grouped(rows);
  for (const turn of store.turns) builder.turn(store, turn, byTurn.get(turn.id) ?? []);
  return builder.lines;
}

function grouped(rows: readonly Row[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const list = found.get(row.turn);
    if (list) list.push(row);
    else found.set(row.turn, [row]);
  }
  return found;
}

class Builder {
  readonly lines: Line[] = [];
  private readonly shownAll: boolean;

  constructor(
    private readonly folding: Folding,
    private readonly filter: Filter,
    private readonly nested: Nested,
  ) {
    this.shownAll = isEmpty(filter);
  }

  turn(store: OutlineStore, turn: OutlineTurn, rows: readonly Row[]): void {
    const isOpen = !this.folding.closedTurns.has(turn.id);
    const at = this.lines.length;
    if (turn.number > 0) this.lines.push({ kind: "turn", key: turn.id, turn, steps: rows.length, isOpen });
    if (isOpen || turn.number === 0) this.rows(store, rows, "", turn.number > 0 ? 1 : 0);
    if (!this.shownAll && isOpen && this.lines.length === at + 1) this.lines.pop();
  }

  rows(store: OutlineStore, rows: readonly Row[], prefix: string, depth: number): void {
    for (const row of rows) {
      const key = prefix + row.id;
      const inside = store.children(row.id);
      const canOpen = inside.length > 0 || row.has_child !== null;
      const isOpen = canOpen && this.folding.openRows.has(key);
      const at = this.lines.length;
      this.lines.push({ kind: "row", key, owner: store.head?.id ?? "", row, depth, canOpen, isOpen });
      if (isOpen) this.inside(store, row, inside, key, prefix, depth + 1);
      const isAlone = this.lines.length === at + 1;
      if (!this.shownAll && isAlone && !fits(row, this.filter)) this.lines.pop();
    }
  }

  private inside(
    store: OutlineStore,
    row: Row,
    inside: readonly Row[],
    key: string,
    prefix: string,
    depth: number,
  ): void {
    if (inside.length > 0) {
      this.rows(store, inside, prefix, depth);
      return;
    }
    if (row.has_child === null) return;
    const child = this.nested(row.has_child);
    if (child?.head) this.rows(child, child.children(""), `${key}/`, depth);
    else this.lines.push({ kind: "loading", key: `${key}/…`, depth, workflowId: row.has_child });
  }
}

/** Keys of the steps that must be open for this one to be seen: of `12/3/1`, `12` and `12/3`. */
export function opened(key: string): string[] {
  const parts = key.split("/");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
}

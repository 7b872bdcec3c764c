import type { Outline, OutlineTurn, Row } from "./types";

/** Order of ids such as `2`, `12` and `12/3`. */
export function compareIds(a: string, b: string): number {
  const left = a.split("/");
  const right = b.split("/");
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = Number(left[at] ?? -1) - Number(right[at] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

const NO_ROWS: readonly Row[] = [];

/**
 * A run as it is known so far. Deltas replace rows by their id; whatever else an outline says is taken as it stands.
 * `revision` changes with each outline that was taken.
 */
export class OutlineStore {
  head: Outline | null = null;
  revision = 0;
  readonly rows = new Map<string, Row>();
  private readonly siblings = new Map<string, Row[]>();
  private readonly places = new Map<string, number>();

  get cursor(): string {
    return this.head?.cursor ?? "";
  }

  get turns(): readonly OutlineTurn[] {
    return this.head?.turns ?? [];
  }

  /** Rows that belong to an entry, in order; "" has those of the run itself. */
  children(parent: string): readonly Row[] {
    return this.siblings.get(parent) ?? NO_ROWS;
  }

  /** Takes an outline, or what has changed of it since the last one. */
  apply(outline: Outline): void {
    if (!outline.is_delta) {
      this.rows.clear();
      this.siblings.clear();
      this.places.clear();
    }
    const unsorted = new Set<string>();
    for (const row of outline.entries) {
      if (this.put(row)) unsorted.add(row.parent);
    }
    for (const parent of unsorted) this.sort(parent);
    this.head = outline.is_delta && this.head ? { ...outline, turns: merged(this.head.turns, outline.turns) } : outline;
    this.revision += 1;
  }

  private put(row: Row): boolean {
    const known = this.rows.get(row.id);
    this.rows.set(row.id, row);
    const list = this.siblings.get(row.parent) ?? [];
    const place = this.places.get(row.id);
    if (known !== undefined && known.parent === row.parent && place !== undefined) {
      list[place] = row;
      return false;
    }
    const last = list[list.length - 1];
    this.places.set(row.id, list.length);
    list.push(row);
    this.siblings.set(row.parent, list);
    return last !== undefined && compareIds(last.id, row.id) > 0;
  }

  private sort(parent: string): void {
    const list = this.siblings.get(parent) ?? [];
    list.sort((a, b) => compareIds(a.id, b.id));
    list.forEach((row, place) => this.places.set(row.id, place));
  }
}

function merged(known: OutlineTurn[], changed: OutlineTurn[]): OutlineTurn[] {
  if (changed.length === 0) return known;
  const byId = new Map(known.map((turn) => [turn.id, turn]));
  for (const turn of changed) byId.set(turn.id, turn);
  return [...byId.values()].sort((a, b) => a.number - b.number);
}

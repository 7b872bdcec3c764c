/** Rows: tables that keys move through, lists of any length, and pages by cursor. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useKeys } from "../lib/keys";
import { navigate, setQuery } from "../lib/router";
import { Button } from "./controls";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Figures stand to the right; what is `wide` takes the space that is left, and is cut. */
  kind?: "right" | "wide";
  /** Left out on phones. */
  isExtra?: boolean;
  foot?: ComponentChildren;
}

interface TableProps<T> {
  /** What it is a table of, for screen readers. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string | number;
  /** Where a row leads: a click on it, or Enter. */
  hrefOf?: (row: T) => string;
  /** Whether j, k and Enter move through it: one table of a page at most. */
  hasKeys?: boolean;
}

export function Table<T>({ label, columns, rows, keyOf, hrefOf, hasKeys = false }: TableProps<T>) {
  const [at, move] = useRows(rows.length, hasKeys, (index) => {
    const row = rows[index];
    if (row !== undefined && hrefOf) navigate(hrefOf(row));
  });
  const wide = columns.filter((column) => column.kind === "wide").length;
  const hasFoot = columns.some((column) => column.foot !== undefined);
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label={label}>
      <table class="table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.head}
                scope="col"
                class={classOf(column)}
                style={column.kind === "wide" ? { width: `${98 / wide}%` } : undefined}
              >
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr
              key={keyOf(row)}
              class={hrefOf ? "open-able" : undefined}
              aria-selected={index === at ? true : undefined}
              onClick={(event) => {
                move(index);
                if (hrefOf && !isPressable(event.target) && !String(getSelection())) navigate(hrefOf(row));
              }}
            >
              {columns.map((column, first) =>
                first === 0 ? (
                  <th key={column.head} scope="row" class={classOf(column)}>
                    {hrefOf ? <a href={hrefOf(row)}>{column.cell(row)}</a> : column.cell(row)}
                  </th>
                ) : (
                  <td key={column.head} class={classOf(column)}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {hasFoot && (
          <tfoot>
            <tr>
              {columns.map((column) => (
                <td key={column.head} class={classOf(column)}>
                  {column.foot}
                </td>
              ))}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

function classOf<T>(column: Column<T>): string | undefined {
  const kinds = [column.kind === "right" && "right num", column.kind === "wide" && "wide cut", column.isExtra && "wide-only"];
  return kinds.filter(Boolean).join(" ") || undefined;
}

function isPressable(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("a, button, input, select, label") !== null;
}

/** The row that j and k have reached, -1 before; Enter opens it. */
export function useRows(rows: number, hasKeys: boolean, open: (index: number) => void) {
  const [at, move] = useState(-1);
  const latest = useRef({ rows, at, open });
  latest.current = { rows, at, open };
  const step = (by: number) => {
    const { rows: all, at: from } = latest.current;
    if (all) move(Math.max(0, Math.min(all - 1, from + by)));
  };
  useKeys(
    hasKeys
      ? [
          { keys: "j", what: "Next row", then: () => step(1) },
          { keys: "k", what: "Row before", then: () => step(-1) },
          { keys: "Enter", what: "Open the row", then: () => latest.current.open(latest.current.at) },
        ]
      : [],
    [hasKeys],
  );
  return [Math.min(at, rows - 1), move] as const;
}

const OVERSCAN = 8;
const REST_MS = 120;
const MOST_DRAWN = 400; // rows that are kept drawn though they are out of sight

interface VirtualProps<T> {
  label: string;
  items: readonly T[];
  keyOf: (item: T, index: number) => string | number;
  /** Of each row, in pixels: all are the same. */
  rowHeight: number;
  /** Of the window; any CSS length. */
  height: string;
  render: (item: T, index: number) => ComponentChildren;
  /** Index that is scrolled into sight when it changes; -1 for none. */
  shown?: number;
  /** Told which rows are seen, once scrolling rests. */
  onRest?: (from: number, to: number) => void;
  role?: "list" | "tree" | "listbox" | "grid";
}

/** A list of any length: only the rows that are seen exist. */
export function VirtualList<T>(props: VirtualProps<T>) {
  const { items, rowHeight, shown = -1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, see] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const look = () => see({ top: element.scrollTop, height: element.clientHeight });
    look();
    const watch = new ResizeObserver(look);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || shown < 0) return;
    const top = shown * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + rowHeight - element.clientHeight;
    }
  }, [shown, rowHeight]);
  const { from, to } = windowOf(view.top, view.height, rowHeight, items.length);
  const drawn = useDrawn(props);
  useEffect(() => {
    if (!props.onRest) return undefined;
    const first = Math.floor(view.top / rowHeight);
    const resting = setTimeout(props.onRest, REST_MS, first, Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight)));
    return () => clearTimeout(resting);
  }, [view.top, view.height, rowHeight, items.length]);
  return (
    <div
      ref={box}
      class="virtual"
      role={props.role ?? "list"}
      aria-label={props.label}
      tabIndex={0}
      style={{ height: props.height }}
      onScroll={(event) => see({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    >
      <div class="whole" role="presentation" style={{ height: `${items.length * rowHeight}px` }}>
        <div class="at" role="presentation" style={{ transform: `translateY(${from * rowHeight}px)` }}>
          {items.slice(from, to).map((_, index) => drawn(from + index))}
        </div>
      </div>
    </div>
  );
}

/** Rows as they were drawn: while only the scroll moves, those that stay in sight are not drawn again. */
function useDrawn<T>(props: VirtualProps<T>): (index: number) => ComponentChildren {
  const known = useMemo(() => new Map<number, ComponentChildren>(), [props]);
  return (index) => {
    if (known.has(index)) return known.get(index);
    const item = props.items[index] as T;
    const row = (
      <div key={props.keyOf(item, index)} role="presentation" style={{ height: `${props.rowHeight}px` }}>
        {props.render(item, index)}
      </div>
    );
    if (known.size > MOST_DRAWN) known.clear();
    known.set(index, row);
    return row;
  };
}

/** Which rows exist: those seen, and some before and behind. */
export function windowOf(top: number, height: number, rowHeight: number, rows: number): { from: number; to: number } {
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const from = Math.min(first, Math.max(0, rows - 1));
  return { from, to: Math.min(rows, Math.ceil((top + height) / rowHeight) + OVERSCAN) };
}

interface PagerProps {
  /** Cursor of the part behind this one; null at the end. */
  next: string | null;
  /** What is shown: "1 to 50 of 10,000". */
  children?: ComponentChildren;
}

/**
 * Pages by cursor, kept in the address: `cursor` of the one shown, `before` those that led here.
 * The way back goes through them, so that any page can be shared.
 */
export function Pager({ next, children, query }: PagerProps & { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? "";
  const before = (query.get("before") ?? "").split("~").filter(Boolean);
  const back = () => setQuery({ cursor: before.at(-1) === "-" ? null : (before.at(-1) ?? null), before: before.slice(0, -1).join("~") });
  const on = () => setQuery({ cursor: next, before: [...before.slice(-49), cursor || "-"].join("~") });
  useKeys(
    [
      { keys: "n", what: "Next page", then: () => next && on() },
      { keys: "p", what: "Page before", then: () => cursor && back() },
    ],
    [next, cursor, query.get("before")],
  );
  return (
    <div class="pager">
      <span>{children}</span>
      <span class="row">
        {cursor && (
          <Button look="bare" onClick={() => setQuery({ cursor: null, before: null })}>
            First
          </Button>
        )}
        <Button icon="left" disabled={!cursor} onClick={back}>
          Before
        </Button>
        <Button icon="right" disabled={!next} onClick={on}>
          Next
        </Button>
      </span>
    </div>
  );
}

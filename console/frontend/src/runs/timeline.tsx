/** A run in time: a line for each entry, with a bar where it was worked on. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { count, duration, money, short } from "../lib/format";
import { useKeys } from "../lib/keys";
import { now } from "../lib/now";
import { navigate, place, setQuery } from "../lib/router";
import { Choices, Search } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Empty } from "../ui/states";
import { VirtualList } from "../ui/table";
import { SafeText } from "../ui/text";
import { attend, feedOf, type RunFeed } from "./feed";
import { type Line, linesOf, opened } from "./lines";
import { KIND_WORDS, KindIcon, nameOf } from "./step";
import { placeOf, type Span, ticksOf, type TimeScale, timeScale } from "./time-scale";
import { CLOSED, ENDED, type Row } from "./types";

const ROW_PX = 32;
const TICKS = 6;
const CLOSE_ABOVE = 120; // lines: more of them, each a few pixels wide, show nothing on the scale of the whole run
const FIRST_SEEN = 40;
const NOT_BUSY = new Set(["wait", "timer", "message"]);

const spans = new WeakMap<Row, Span>();

/** When an entry was worked on; of one that goes on, until now. */
function spanOf(row: Row, at: number): Span {
  const known = spans.get(row);
  if (known) return known;
  const from = Date.parse(row.began_at);
  if (row.ended_at === null) return { from, to: Math.max(from, at) };
  const span = { from, to: Date.parse(row.ended_at) };
  spans.set(row, span);
  return span;
}

/** Args: `near` are the lines whose time is shown; null shows that of the whole run. */
function scaleOf(feed: RunFeed, at: number, near: readonly Line[] | null): TimeScale {
  const { head } = feed.store;
  const close = (near ?? []).flatMap((line) => (line.kind === "row" ? [spanOf(line.row, at)] : []));
  if (close.length > 0) {
    const busy = close.filter((span) => span.to > span.from);
    const from = Math.min(...close.map((span) => span.from));
    const to = Math.max(...close.map((span) => span.to));
    return timeScale(busy, { from, to }, head?.began_at ? Date.parse(head.began_at) : from);
  }
  const rows = feed.store.children("");
  const busy = rows.filter((row) => !NOT_BUSY.has(row.kind)).map((row) => spanOf(row, at));
  const first = rows[0];
  const from = head?.began_at ? Date.parse(head.began_at) : first ? Date.parse(first.began_at) : at;
  const last = rows.reduce((latest, row) => Math.max(latest, spanOf(row, at).to), from);
  const isOpen = head !== null && !CLOSED.has(head.state);
  const moving = isOpen && rows.some((row) => !ENDED.has(row.state) && !NOT_BUSY.has(row.kind));
  return timeScale(busy, { from, to: moving ? Math.max(at, last) : last });
}

export function Timeline({ feed }: { feed: RunFeed }) {
  const { query } = place.value;
  const text = query.get("q") ?? "";
  const kinds = query.get("kinds") ?? "";
  const onlyTrouble = query.get("trouble") === "1";
  const chosen = query.get("step") ?? "";
  const folding = useFolding(chosen);
  const revision = feed.revision.value + folding.revision.value;
  const filter = useMemo(
    () => ({ text, onlyTrouble, kinds: new Set(kinds.split(",").filter(Boolean)) }),
    [text, kinds, onlyTrouble],
  );
  const lines = useMemo(
    () => linesOf(feed.store, folding.state, filter, (id) => feedOf(id).store),
    [feed, revision, filter, folding.state],
  );
  const isOpen = feed.store.head !== null && !CLOSED.has(feed.store.head.state);
  const at = isOpen ? now.value : 0;
  const [seen, see] = useState<readonly [number, number]>([0, FIRST_SEEN]);
  const isClose = query.get("zoom") === null ? lines.length > CLOSE_ABOVE : query.get("zoom") === "1";
  const scale = useMemo(
    () => scaleOf(feed, at || Date.now(), isClose ? lines.slice(...seen) : null),
    [feed, feed.revision.value, at, isClose, isClose && lines, isClose && seen],
  );
  const place_ = lines.findIndex((line) => line.key === chosen);
  useMoving(lines, folding);
  return (
    <div class="timeline">
      <TimelineTools feed={feed} shown={lines.length} isClose={isClose} />
      <Axis scale={scale} />
      <div class="timeline-body">
        <Grid scale={scale} />
        {lines.length > 0 ? (
          <VirtualList
            label="Entries of the run"
            items={lines}
            keyOf={(line) => line.key}
            rowHeight={ROW_PX}
            height={`min(${lines.length * ROW_PX + 8}px, max(24rem, 100dvh - 21rem))`}
            shown={place_}
            onRest={(from, to) => see((known) => (known[0] === from && known[1] === to ? known : [from, to]))}
            render={(line) => (
              <LineView line={line} scale={scale} at={at} isChosen={line.key === chosen} folding={folding} />
            )}
          />
        ) : (
          <Nothing feed={feed} />
        )}
      </div>
    </div>
  );
}

function Nothing({ feed }: { feed: RunFeed }) {
  if (feed.store.rows.size > 0) return <Empty icon="filter" title="No entry fits the filter" />;
  return feed.isReading.value ? null : (
    <Empty icon="clock" title="Nothing has happened yet">
      The first entry is shown as soon as a worker has begun.
    </Empty>
  );
}

interface Folded {
  state: { closedTurns: ReadonlySet<string>; openRows: ReadonlySet<string> };
  revision: { value: number };
  toggle: (line: Line) => void;
  /** Reads the run of another, for as long as the timeline is there. */
  read: (id: string) => void;
}

/** Which turns are closed, and which runs of others are open in place; these are read as they are opened. */
function useFolding(chosen: string): Folded {
  const closedTurns = useSignal<ReadonlySet<string>>(new Set());
  const openRows = useSignal<ReadonlySet<string>>(new Set(opened(chosen)));
  const readers = useMemo(() => new Map<string, () => void>(), []);
  const state = useMemo(
    () => ({ closedTurns: closedTurns.value, openRows: openRows.value }),
    [closedTurns.value, openRows.value],
  );
  useEffect(() => {
    const wanted = opened(chosen).filter((key) => !openRows.peek().has(key));
    if (wanted.length > 0) openRows.value = new Set([...openRows.peek(), ...wanted]);
  }, [chosen]);
  useEffect(() => () => readers.forEach((end) => end()), [readers]);
  const inside = useSignal<readonly string[]>([]);
  const revision = useComputed(() => inside.value.reduce((sum, id) => sum + feedOf(id).revision.value, 0));
  const toggle = (line: Line) => {
    if (line.kind === "turn") closedTurns.value = toggled(closedTurns.peek(), line.key);
    if (line.kind === "row" && line.canOpen) openRows.value = toggled(openRows.peek(), line.key);
  };
  const read = (id: string) => {
    if (readers.has(id)) return;
    readers.set(id, attend(id));
    inside.value = [...inside.peek(), id];
  };
  return { state, revision, toggle, read };
}

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

function choose(key: string | null): void {
  setQuery({ step: key });
}

function useMoving(lines: readonly Line[], folding: Folded): void {
  const chosen = () => {
    const key = place.peek().query.get("step"); // also where keys come faster than the page is drawn
    return lines.findIndex((line) => line.key === key);
  };
  const move = (by: number) => {
    const next = lines[Math.max(0, Math.min(lines.length - 1, chosen() + by))];
    if (next) choose(next.key);
  };
  const turn = (isOpen?: boolean) => {
    const line = lines[chosen()];
    if (line && line.kind !== "loading" && line.isOpen !== isOpen) folding.toggle(line);
  };
  useKeys(
    [
      { keys: "j", what: "Next entry", then: () => move(1) },
      { keys: "k", what: "Entry before", then: () => move(-1) },
      { keys: "l", what: "Unfold the entry", then: () => turn(true) },
      { keys: "h", what: "Fold the entry", then: () => turn(false) },
      { keys: "Enter", what: "Unfold or fold the entry", then: () => turn() },
      { keys: "Escape", what: "Close the entry", then: () => choose(null) },
    ],
    [lines, folding.state],
  );
}

function TimelineTools({ feed, shown, isClose }: { feed: RunFeed; shown: number; isClose: boolean }) {
  const { query } = place.value;
  const kinds = new Set((query.get("kinds") ?? "").split(",").filter(Boolean));
  const there = useMemo(() => {
    const counts = new Map<string, number>();
    for (const row of feed.store.rows.values()) counts.set(row.kind, (counts.get(row.kind) ?? 0) + 1);
    return counts;
  }, [feed, feed.revision.value]);
  const toggle = (kind: string) => setQuery({ kinds: [...toggled(kinds, kind)].join(",") });
  const isTrouble = query.get("trouble") === "1";
  return (
    <div class="filters">
      <Search label="Find in this run" value={query.get("q") ?? ""} onSearch={(q) => setQuery({ q })} />
      <div class="choices" role="group" aria-label="Kinds">
        {there.size > 1 &&
          [...there].map(([kind, many]) => (
            <button key={kind} type="button" aria-pressed={kinds.has(kind)} onClick={() => toggle(kind)}>
              {KIND_WORDS[kind] ?? kind} <span class="num faint">{short(many)}</span>
            </button>
          ))}
        <button type="button" aria-pressed={isTrouble} onClick={() => setQuery({ trouble: isTrouble ? null : "1" })}>
          <Icon name="alert" small /> Only trouble
        </button>
      </div>
      <Choices
        label="Time that is shown"
        value={isClose ? "1" : "0"}
        options={[
          ["0", "Whole run"],
          ["1", "In view"],
        ]}
        onChange={(zoom) => setQuery({ zoom })}
      />
      <span class="small soft num">
        {shown < feed.store.rows.size ? `${count(shown)} of ${count(feed.store.rows.size)}` : count(feed.store.rows.size)}{" "}
        entries
      </span>
    </div>
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}

function Axis({ scale }: { scale: TimeScale }) {
  return (
    <div class="timeline-line axis" aria-hidden="true">
      <span />
      <span class="bars">
        {ticksOf(scale, TICKS).map((tick) => (
          <span key={tick.x} class={tick.x > 0.94 ? "tick last" : "tick"} style={{ left: percent(tick.x) }}>
            {tick.label}
          </span>
        ))}
        {scale.segments
          .filter((segment) => segment.isGap)
          .map((gap) => (
            <span
              key={gap.from}
              class="gap"
              style={{ left: percent(gap.x0), width: percent(gap.x1 - gap.x0) }}
              title={`Nothing ran for ${duration((gap.to - gap.from) / 1000)}; shown short`}
            />
          ))}
      </span>
      <span class="figures">Took</span>
      <span class="figures wide-only">Tokens</span>
      <span class="figures wide-only">Cost</span>
    </div>
  );
}

/** Lines of the ticks and bands of the gaps, behind all rows. */
function Grid({ scale }: { scale: TimeScale }) {
  return (
    <div class="timeline-line grid-lines" aria-hidden="true">
      <span />
      <span class="bars">
        {ticksOf(scale, TICKS).map((tick) => (
          <i key={tick.x} class="rule" style={{ left: percent(tick.x) }} />
        ))}
        {scale.segments
          .filter((segment) => segment.isGap)
          .map((gap) => (
            <i key={gap.from} class="gap" style={{ left: percent(gap.x0), width: percent(gap.x1 - gap.x0) }} />
          ))}
      </span>
    </div>
  );
}

interface LineProps {
  line: Line;
  scale: TimeScale;
  at: number;
  isChosen: boolean;
  folding: Folded;
}

function LineView(props: LineProps) {
  const { line, folding } = props;
  if (line.kind === "turn") return <TurnLine line={line} folding={folding} />;
  if (line.kind === "loading") return <LoadingLine line={line} folding={folding} />;
  return <RowLine {...props} line={line} />;
}

function TurnLine({ line, folding }: { line: Line & { kind: "turn" }; folding: Folded }) {
  const { turn, isOpen, steps } = line;
  const said = typeof turn.said?.content === "string" ? turn.said.content : "";
  return (
    <div class="timeline-line turn" role="listitem">
      <button type="button" class="fold" aria-expanded={isOpen} onClick={() => folding.toggle(line)}>
        <Icon name={isOpen ? "down" : "right"} small />
        <span class="cut">
          <strong>Turn {turn.number}</strong> <SafeText text={said.slice(0, 300)} />
        </span>
      </button>
      <span class="small faint num">{isOpen ? "" : `${count(steps)} entries`}</span>
    </div>
  );
}

function LoadingLine({ line, folding }: { line: Line & { kind: "loading" }; folding: Folded }) {
  useEffect(() => folding.read(line.workflowId), [line.workflowId]);
  const problem = feedOf(line.workflowId).problem.value;
  return (
    <div class="timeline-line" role="listitem">
      <span class="label faint" style={{ paddingLeft: `${line.depth * 16 + 24}px` }}>
        <SafeText text={problem ? problem.detail : "Reading…"} />
      </span>
    </div>
  );
}

function RowLine({ line, scale, at, isChosen, folding }: LineProps & { line: Line & { kind: "row" } }) {
  const { row, depth, canOpen, isOpen, key } = line;
  const span = spanOf(row, at || Date.parse(row.began_at));
  const from = placeOf(scale, span.from);
  const to = placeOf(scale, span.to);
  const tone = row.failures > 0 && row.state === "done" ? "warn" : row.state;
  const query = new URLSearchParams(place.peek().query);
  query.set("step", key);
  const href = `${place.peek().path}?${query}`;
  const seconds = row.seconds ?? (row.ended_at ? (span.to - span.from) / 1000 : at ? (at - span.from) / 1000 : null);
  const tokens = row.input_tokens === null ? "" : `${short(row.input_tokens)} / ${short(row.output_tokens)}`;
  return (
    <div class={isChosen ? "timeline-line chosen" : "timeline-line"} role="listitem">
      <span class="label" style={{ paddingLeft: `${depth * 16}px` }}>
        {canOpen ? (
          <button
            type="button"
            class="fold"
            aria-expanded={isOpen}
            aria-label={isOpen ? "Fold" : "Unfold"}
            onClick={() => folding.toggle(line)}
          >
            <Icon name={isOpen ? "down" : "right"} small />
          </button>
        ) : (
          <span class="fold" />
        )}
        <a
          href={href}
          aria-current={isChosen ? "true" : undefined}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            navigate(href, { replace: true });
          }}
        >
          <KindIcon row={row} />
          <span class="name">
            <SafeText text={nameOf(row)} />
          </span>
          <span class="cut faint">
            <SafeText text={row.summary} />
          </span>
        </a>
      </span>
      <span class="bars" aria-hidden="true">
        <i
          class={`bar state-${tone.replaceAll("_", "-")} kind-${row.kind.replaceAll("_", "-")}`}
          style={{ left: percent(from), width: percent(Math.max(0, to - from)) }}
        />
        {row.failures > 0 && (
          <span class="again" style={{ left: percent(Math.min(to, 0.97)) }} title={`${row.failures} attempts failed`}>
            ×{row.failures}
          </span>
        )}
      </span>
      <span class="figures num">{seconds === null ? "" : duration(seconds)}</span>
      <span class="figures num wide-only">{tokens}</span>
      <span class="figures num wide-only">{row.usd_nanos === null ? "" : money(row.usd_nanos)}</span>
    </div>
  );
}


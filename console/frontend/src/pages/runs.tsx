/** All runs of agents and plans: filtered, live, in pages. */
import { useEffect, useRef } from "preact/hooks";
import { apiPath, nextOf, queryText } from "../api/client";
import type { AppView, RunView } from "../api/types";
import { place, setQuery, pageOf } from "../lib/router";
import { type Twin, useTwin } from "../live/twin";
import { Choices, Search, Select } from "../ui/controls";
import { Card, Page } from "../ui/page";
import { Empty, With } from "../ui/states";
import { Status } from "../ui/status";
import { type Column, Pager, Table } from "../ui/table";
import { Ago, Lasting, Line, Moment } from "../ui/text";

const PAGE = 50;
const DAY_MS = 86_400_000;
const REREAD_SECONDS = 3; // of a list that has no topic of its own

const STATES = [
  ["", "Any state"],
  ["running", "Running"],
  ["parked", "Waits for a person"],
  ["stuck", "Stuck"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
  ["terminated", "Terminated"],
  ["timed out", "Timed out"],
] as const;
const AGES = [
  ["", "Any age"],
  ["1", "Began today"],
  ["7", "In the last 7 days"],
  ["30", "In the last 30 days"],
] as const;

const COLUMNS: readonly Column<RunView>[] = [
  { head: "Run", cell: (run) => <Line text={run.run_id} most={60} /> },
  { head: "Of", cell: (run) => <Line text={run.name} most={40} />, isExtra: true },
  { head: "State", cell: (run) => <Status state={run.state} /> },
  { head: "What keeps it", cell: (run) => <Line text={keptBy(run)} />, kind: "wide", isExtra: true },
  { head: "Began", cell: (run) => <Ago at={run.started_at} />, kind: "right" },
  { head: "Took", cell: (run) => <Took run={run} />, kind: "right", isExtra: true },
];

function keptBy(run: RunView): string {
  return run.problem ?? run.questions[0]?.reason ?? "";
}

function Took({ run }: { run: RunView }) {
  return run.started_at ? <Lasting since={run.started_at} until={run.closed_at} /> : <Moment at={null} />;
}

/** The moment so many days ago, of the whole hour so that the address of the list stays the same for a while. */
function since(days: string): string {
  const from = Date.now() - Number(days) * DAY_MS;
  return new Date(from - (from % 3_600_000)).toISOString();
}

export default function Runs() {
  const { query } = place.value;
  const [kind, name, state] = ["kind", "name", "state"].map((key) => query.get(key) ?? "");
  const [age, search, cursor] = ["age", "q", "cursor"].map((key) => query.get(key) ?? "");
  const asked = { kind: kind || "agent", name, state, limit: PAGE, since: age ? since(age) : "", search, cursor };
  const isPlain = !age && !search && !cursor;
  const topic = isPlain ? `runs:${queryText({ kind: kind || "agent", name, state }).slice(1)}` : null;
  const twin = useTwin<RunView[]>(`/v1/runs${queryText(asked)}`, topic, isPlain ? undefined : REREAD_SECONDS);
  const next = useNext(twin);
  const isFiltered = Boolean(name || state || age || search);
  return (
    <Page title="Runs" about="What agents and plans are doing, have done, or wait for.">
      <div class="filters">
        <Choices
          label="Kind"
          value={kind || "agent"}
          options={[
            ["agent", "Agents"],
            ["plan", "Plans"],
          ]}
          onChange={(to) => setQuery({ kind: to === "agent" ? null : to, name: null, cursor: null, before: null })}
        />
        <NameFilter kind={kind || "agent"} name={name ?? ""} />
        <Select label="State" value={state ?? ""} options={STATES} onChange={(to) => change({ state: to })} />
        <Select label="Age" value={age ?? ""} options={AGES} onChange={(to) => change({ age: to })} />
        <Search label="Find by id" value={search ?? ""} onSearch={(q) => change({ q })} />
      </div>
      <Card isFlush>
        <With twin={twin}>
          {(items) =>
            items.length === 0 && !cursor ? (
              <Nothing isFiltered={isFiltered} />
            ) : (
              <>
                <Table label="Runs" columns={COLUMNS} rows={items} keyOf={(run) => run.id} hrefOf={(run) => pageOf(run.id)} hasKeys />
                <Pager next={next} query={query}>
                  {items.length} runs, the latest first
                </Pager>
              </>
            )
          }
        </With>
      </Card>
    </Page>
  );
}

/**
 * Cursor of the part behind a list. What the stream tells has none: as long as it ends with the same run the one that was
 * read still holds, and else it is read again.
 */
function useNext(twin: Twin<RunView[]>): string | null {
  const read = useRef<{ last: string | undefined; next: string | null }>({ last: undefined, next: null });
  const items = twin.data.value ?? [];
  const last = items.at(-1)?.id;
  const own = nextOf(items);
  if (own !== null || items.length < PAGE) read.current = { last, next: own };
  const isStale = items.length >= PAGE && last !== read.current.last;
  useEffect(() => {
    if (isStale) void twin.reload();
  }, [isStale, last, twin]);
  return isStale ? null : read.current.next;
}

function change(to: Record<string, string>): void {
  setQuery({ ...to, cursor: null, before: null });
}

function NameFilter({ kind, name }: { kind: string; name: string }) {
  const app = useTwin<AppView>(apiPath(["app"])).data.value;
  const names = (kind === "plan" ? app?.plans : app?.agents)?.map((one) => one.name) ?? [];
  const known = name && !names.includes(name) ? [...names, name] : names;
  const all = [["", kind === "plan" ? "Any plan" : "Any agent"] as const, ...known.map((one) => [one, one] as const)];
  return <Select label={kind === "plan" ? "Plan" : "Agent"} value={name} options={all} onChange={(to) => change({ name: to })} />;
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty icon="search" title="No run fits">
        Take a filter out to see more. Runs that ended are shown for as long as the engine keeps them.
      </Empty>
    );
  }
  return (
    <Empty icon="runs" title="Nothing has run yet" command={'outlive run AGENT "What it is asked"'}>
      Start an agent or a plan in the <a href="/playground">playground</a>, from Python, or from the command
      line. Where the app has no agent yet, <code>outlive init</code> writes one.
    </Empty>
  );
}

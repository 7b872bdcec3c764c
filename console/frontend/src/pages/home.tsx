/** What runs, what waits for a person, what is stuck and why, and what it costs. */
import { useEffect } from "preact/hooks";
import type { BatchCard, HandOffView, Home, RunView, Stuck } from "../api/types";
import { count, plural, short } from "../lib/format";
import { pageOf } from "../lib/router";
import { session } from "../lib/session";
import { type Twin, useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Command } from "../ui/controls";
import { Stat, usePast } from "../ui/figures";
import { Icon } from "../ui/icons";
import { Card, Page } from "../ui/page";
import { Empty, Skeleton, SkeletonRows, With } from "../ui/states";
import { Status } from "../ui/status";
import { type Column, Table } from "../ui/table";
import { Ago, Line, Money, Said, SafeText } from "../ui/text";
import { BatchLine } from "./batch-parts";

export default function HomePage(_: PageProps) {
  const twin = useTwin<Home>("/v1/home", "home");
  const home = twin.data.value;
  const atWork = home?.batches.map((batch) => batch.id).join();
  const batches = useTwin<BatchCard[]>("/v1/batches");
  useEffect(() => void batches.reload(), [atWork]);
  return (
    <Page title="Home" about={home ? sentence(home) : <Skeleton width="22rem" />}>
      <With twin={twin} loading={<Loading />}>
        {(data) =>
          isNew(data, batches.data.value) ? (
            <Start />
          ) : (
            <Content home={data} twin={twin} batches={latest(batches.data.value ?? [])} />
          )
        }
      </With>
    </Page>
  );
}

function Loading() {
  return (
    <Card>
      <SkeletonRows rows={8} />
    </Card>
  );
}

function sentence({ running, waiting, stuck }: Home): string {
  const runs = [
    running.agents && plural(running.agents, "agent"),
    running.plans && plural(running.plans, "plan"),
    running.batches && plural(running.batches, "batch", "batches"),
  ].filter((part): part is string => Boolean(part));
  const parts = runs.length ? [`${runs.join(", ").replace(/, ([^,]*)$/, " and $1")} open.`] : ["Nothing runs now."];
  if (waiting) parts.push(`${plural(waiting, "question")} for a person.`);
  if (stuck.length) parts.push(`${plural(stuck.length, "thing is", "things are")} held up.`);
  if (!waiting && !stuck.length) parts.push("Nothing waits for you.");
  return parts.join(" ");
}

const LATEST = 3;

function latest(batches: readonly BatchCard[]): BatchCard[] {
  return [...batches].sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at)).slice(0, LATEST);
}

/** Whether nothing has ever run, as far as is known. */
function isNew(home: Home, batches: readonly BatchCard[] | undefined): boolean {
  return batches?.length === 0 && !home.batches.length && !home.recent.length && !home.money_today.calls && !home.waiting && !home.stuck.length;
}

function Start() {
  if (session.value?.demo) {
    return (
      <Card>
        <Empty icon="playground" title="The batch begins in some seconds">
          The workers start: they import first what they serve.
        </Empty>
      </Card>
    );
  }
  return (
    <Card>
      <Empty icon="playground" title="Nothing has run yet">
        Start an agent, a batch or a plan in the <a href="/playground">Playground</a>, or on the command line. It shows
        here at once. Where the app has no agent yet, <code>outlive init</code> writes one.
      </Empty>
      <div class="row wrap centred">
        <Command text={'outlive analyze urls.txt "Summarise in two sentences"'} />
        <Command text={'outlive run AGENT "Where is order 4711?"'} />
      </div>
    </Card>
  );
}

interface ContentProps {
  home: Home;
  twin: Twin<Home>;
  /** The latest, whatever their state. */
  batches: readonly BatchCard[];
}

function Content({ home, twin, batches }: ContentProps) {
  const shown = home.batches.length ? home.batches : batches;
  return (
    <>
      <Gauges home={home} at={twin.at.value} />
      {home.deliveries_parked > 0 && (
        <div class="banner tone-warn" role="status">
          <Icon name="alert" />
          <span class="grow">
            {plural(home.deliveries_parked, "notification was", "notifications were")} given up: nobody was told of what
            happened.
          </span>
          <a href="/fleet">Why, and send again</a>
        </div>
      )}
      {home.stuck.length > 0 && <StuckCard stuck={home.stuck} />}
      <div class="grid two">
        <WaitingCard handOffs={home.hand_offs} waiting={home.waiting} />
        <Card title={home.batches.length ? "Batches at work" : "Latest batches"} side={<a href="/batches">All batches</a>}>
          {shown.length ? (
            <ul class="stack">
              {shown.map((batch) => (
                <li key={batch.id}>
                  <BatchLine batch={batch} />
                </li>
              ))}
            </ul>
          ) : (
            <p class="soft">No batch has run yet.</p>
          )}
        </Card>
      </div>
      <Card title="Latest runs" side={<a href="/runs">All runs</a>} isFlush>
        {home.recent.length ? (
          <Table
            label="Latest runs"
            columns={RUNS}
            rows={home.recent}
            keyOf={(run) => run.id}
            hrefOf={(run) => pageOf(run.id)}
            hasKeys
          />
        ) : (
          <Empty icon="runs" title="No agent or plan has run yet" command={'outlive run AGENT "…"'} />
        )}
      </Card>
    </>
  );
}

function Gauges({ home, at }: { home: Home; at: number }) {
  const { rates, running, money_today: money } = home;
  const documents = usePast(rates.documents_per_minute ?? undefined, at);
  const calls = usePast(rates.calls_per_minute ?? undefined, at);
  const spent = usePast(money.usd_nanos, at);
  const all = running.agents === null ? null : running.agents + (running.plans ?? 0) + running.batches;
  return (
    <Card>
      <div class="grid stats">
        <Stat
          name="Open"
          value={count(all)}
          more={work(running)}
        />
        <Stat
          name="Workers"
          value={count(home.workers.running)}
          href="/fleet"
          more={home.workers.silent ? <Status state="silent" word={`${home.workers.silent} more silent`} /> : home.workers.running === 0 ? "none is heard" : "all are heard"}
        />
        <Stat name="Documents" value={short(rates.documents_per_minute && Math.round(rates.documents_per_minute))} unit="/ min" past={documents} />
        <Stat name="Model calls" value={short(rates.calls_per_minute && Math.round(rates.calls_per_minute))} unit="/ min" past={calls} />
        <Stat
          name="Money today"
          value={<Money nanos={money.usd_nanos} unpriced={money.unpriced_calls} />}
          href="/money"
          past={rise(spent)}
        />
      </div>
    </Card>
  );
}

function work({ agents, plans, batches }: Home["running"]): string {
  const known = [
    agents === null ? "" : plural(agents, "agent"),
    plans === null ? "" : plural(plans, "plan"),
    plural(batches, "batch", "batches"),
  ];
  return known.filter(Boolean).join(" · ");
}

/** What came to a sum from one state to the next. */
function rise(sums: readonly number[]): number[] {
  return sums.slice(1).map((sum, index) => Math.max(0, sum - (sums[index] ?? sum)));
}

function StuckCard({ stuck }: { stuck: readonly Stuck[] }) {
  return (
    <section class="card edge-bad" aria-label="Held up">
      <div class="card-head">
        <h2 class="row">
          <Icon name="alert" />
          Held up: {plural(stuck.length, "thing")}, and why
        </h2>
      </div>
      <ul class="stack">
        {stuck.map((one) => (
          <li key={one.kind + one.id} class="stack tight">
            <div class="row wrap">
              <a href={pageOf(one.id, one.kind)}>
                <strong>
                  <SafeText text={one.name} />
                </strong>
              </a>
              <span class="soft small">
                {one.kind}
                {one.since && (
                  <>
                    {" · since "}
                    <Ago at={one.since} />
                  </>
                )}
              </span>
            </div>
            <p>
              <Said text={one.problem} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function WaitingCard({ handOffs, waiting }: { handOffs: readonly HandOffView[]; waiting: number }) {
  return (
    <Card title="Waiting for a person" side={waiting > 0 && <a href="/desk">To the desk</a>}>
      {handOffs.length ? (
        <ul class="lines">
          {handOffs.map((one) => (
            <li key={one.id}>
              <a class="line" href={`/desk/${encodeURIComponent(one.id)}`}>
                <span class="grow stack none">
                  <strong class="reason">
                    <SafeText text={one.reason || one.subject} />
                  </strong>
                  <span class="soft small cut">
                    <SafeText text={one.run.split("/").slice(1).join("/")} />
                    {one.claimed_by && <> · claimed by <SafeText text={one.claimed_by} /></>}
                  </span>
                </span>
                <span class="soft small">
                  <Ago at={one.opened_at} />
                </span>
                <Icon name="right" small />
              </a>
            </li>
          ))}
        </ul>
      ) : (
        <p class="soft row">
          <Icon name="check" /> Nobody has to decide anything.
        </p>
      )}
    </Card>
  );
}

const RUNS: readonly Column<RunView>[] = [
  { head: "Run", kind: "wide", cell: (run) => <Line text={run.run_id} /> },
  { head: "Of", isExtra: true, cell: (run) => <Line text={run.name} /> },
  { head: "State", cell: (run) => <Status state={run.state} /> },
  { head: "Began", kind: "right", cell: (run) => <Ago at={run.started_at} /> },
];

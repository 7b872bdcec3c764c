/** All batches of the project. */
import { useMemo, useState } from "preact/hooks";
import type { BatchCard } from "../api/types";
import { count, duration, percent, plural, short } from "../lib/format";
import { pageOf, place, setQuery } from "../lib/router";
import { useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Button, Choices, Search } from "../ui/controls";
import { Progress } from "../ui/figures";
import { Card, Page } from "../ui/page";
import { Empty, SkeletonRows, With } from "../ui/states";
import { type Column, Table } from "../ui/table";
import { Ago, Line, Money } from "../ui/text";
import { BatchStatus, failedOf, ownOf, partsOf } from "./batch-parts";

const AT_ONCE = 100;

const STATES = [
  ["", "All"],
  ["running", "Running"],
  ["paused", "Paused"],
  ["finished", "Finished"],
  ["cancelled", "Cancelled"],
] as const;

export default function BatchesPage(_: PageProps) {
  const twin = useTwin<BatchCard[]>("/v1/batches", "batches");
  const { query } = place.value;
  const state = query.get("state") ?? "";
  const q = query.get("q") ?? "";
  const [shown, show] = useState(AT_ONCE);
  const data = twin.data.value;
  const rows = useMemo(() => fitting(data ?? [], state, q), [data, state, q]);
  return (
    <Page title="Batches" about="Documents, each through a model once, whatever dies on the way.">
      <div class="filters">
        <Search label="Search by name, source or model" value={q} onSearch={(text) => setQuery({ q: text })} />
        <Choices
          label="State"
          value={state}
          options={STATES.map(([key, word]) => [key as string, word] as const)}
          onChange={(chosen) => setQuery({ state: chosen })}
        />
      </div>
      <Card isFlush>
        <With twin={twin} loading={<div class="padded"><SkeletonRows /></div>}>
          {(all) =>
            all.length === 0 ? (
              <Empty icon="batches" title="No batch yet" command='outlive analyze urls.txt "Summarise in two sentences"'>
                A list of addresses or a folder of files and one sentence are enough to begin.
              </Empty>
            ) : rows.length === 0 ? (
              <Empty icon="search" title="None fits">
                None of {plural(all.length, "batch", "batches")} is so.
              </Empty>
            ) : (
              <>
                <Table
                  label="Batches"
                  columns={COLUMNS}
                  rows={rows.slice(0, shown)}
                  keyOf={(batch) => batch.id}
                  hrefOf={(batch) => pageOf(batch.id, "batch")}
                  hasKeys
                />
                {rows.length > shown && (
                  <div class="pager">
                    <span>{`${count(shown)} of ${count(rows.length)}`}</span>
                    <Button onClick={() => show(shown + AT_ONCE)}>Show more</Button>
                  </div>
                )}
              </>
            )
          }
        </With>
      </Card>
    </Page>
  );
}

/** Those that fit, the latest first. */
function fitting(all: readonly BatchCard[], state: string, q: string): BatchCard[] {
  const text = q.toLowerCase();
  return all
    .filter((one) => !state || one.state === state)
    .filter((one) => !text || `${one.id}\n${one.source}\n${one.model}`.toLowerCase().includes(text))
    .sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}

const COLUMNS: readonly Column<BatchCard>[] = [
  { head: "Batch", kind: "wide", cell: (batch) => <Line text={batch.id} /> },
  { head: "State", cell: (batch) => <BatchStatus batch={batch} /> },
  {
    head: "Progress",
    cell: (batch) => (
      <span class="row table-progress">
        <Progress parts={partsOf(batch)} all={ownOf(batch)} />
        <span class="num">{percent(batch.done, ownOf(batch))}</span>
      </span>
    ),
  },
  { head: "Documents", kind: "right", isExtra: true, cell: (batch) => count(batch.documents) },
  { head: "Failed", kind: "right", isExtra: true, cell: (batch) => count(failedOf(batch)) },
  {
    head: "Rate",
    kind: "right",
    isExtra: true,
    cell: (batch) => (batch.documents_per_minute === null ? "–" : `${short(Math.round(batch.documents_per_minute))} / min`),
  },
  {
    head: "Left",
    kind: "right",
    isExtra: true,
    cell: (batch) => (batch.state === "running" ? duration(batch.seconds_left) : "–"),
  },
  { head: "Cost", kind: "right", cell: (batch) => <Money nanos={batch.usd_nanos} unpriced={batch.unpriced} /> },
  { head: "Model", isExtra: true, cell: (batch) => <Line text={batch.model} /> },
  { head: "Began", kind: "right", isExtra: true, cell: (batch) => <Ago at={batch.created_at} /> },
];

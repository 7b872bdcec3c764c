/** The documents of a batch: filter, search, and page through a million of them. */
import { useEffect, useState } from "preact/hooks";
import { apiPath } from "../api/client";
import type { BatchPage, DocumentPage, DocumentRow } from "../api/types";
import { count, duration, plural } from "../lib/format";
import { navigate, place, setQuery } from "../lib/router";
import { useTwin } from "../live/twin";
import { Button, Choices, Search, Select } from "../ui/controls";
import { Card } from "../ui/page";
import { Empty, SkeletonRows, With } from "../ui/states";
import { Status } from "../ui/status";
import { type Column, Pager, Table } from "../ui/table";
import { Line, Money } from "../ui/text";

const PAGE_ROWS = 50;
const LOOK_SECONDS = 5;

const STATES = [
  ["", "All"],
  ["done", "Done"],
  ["failed", "Failed"],
  ["missing", "Not yet"],
] as const;

const FRESH = { cursor: null, before: null } as const;

export function Documents({ batch, base }: { batch: BatchPage; base: string }) {
  const { query } = place.value;
  const given = (name: string) => query.get(name) ?? "";
  const path = apiPath(["batches", batch.id, "documents"], {
    status: given("status"),
    cause: given("cause"),
    q: given("q"),
    cursor: given("cursor"),
    limit: PAGE_ROWS,
  });
  const twin = useTwin<DocumentPage>(path, null, batch.state === "running" ? LOOK_SECONDS : undefined);
  const causes = Object.entries(batch.failed);
  return (
    <>
      <div class="filters">
        <Search
          key={`search of ${batch.id}`}
          label="Search addresses and reasons"
          value={given("q")}
          onSearch={(q) => setQuery({ q, ...FRESH })}
        />
        <Choices
          label="State"
          value={given("status")}
          options={STATES.map(([key, word]) => [key as string, word] as const)}
          onChange={(status) => setQuery({ status, cause: null, ...FRESH })}
        />
        {given("status") === "failed" && causes.length > 0 && (
          <Select
            label="Cause"
            value={given("cause")}
            options={[
              ["", "Any cause"],
              ...causes.map(([cause, many]) => [cause, `${cause.replaceAll("_", " ")} (${count(many)})`] as const),
            ]}
            onChange={(cause) => setQuery({ cause, ...FRESH })}
          />
        )}
        <Jump base={base} documents={batch.documents} />
      </div>
      <Card isFlush>
        <With twin={twin} loading={<div class="padded"><SkeletonRows rows={12} /></div>}>
          {(page) => (
            <>
              {page.items.length ? (
                <Table
                  label="Documents"
                  columns={COLUMNS}
                  rows={page.items}
                  keyOf={(row) => row.position}
                  hrefOf={(row) => `${base}/documents/${row.position}`}
                  hasKeys
                />
              ) : (
                <Nothing page={page} documents={batch.documents} />
              )}
              <Pager next={page.next} query={query}>
                <Where page={page} documents={batch.documents} />
              </Pager>
            </>
          )}
        </With>
      </Card>
    </>
  );
}

function Where({ page, documents }: { page: DocumentPage; documents: number }) {
  const [first, last] = [page.items[0], page.items.at(-1)];
  const fit = page.total === null || page.total === documents ? "" : `, ${count(page.total)} fit`;
  if (!first || !last) return <>{`Looked at ${count(page.scanned_to)} of ${count(documents)}`}</>;
  return <>{`No. ${count(first.position)} to ${count(last.position)} of ${count(documents)}${fit}`}</>;
}

/** A search stops after a while, so that no page waits long: it goes on where it stopped. */
function Nothing({ page, documents }: { page: DocumentPage; documents: number }) {
  useEffect(() => {
    if (page.next) setQuery({ cursor: page.next });
  }, [page.next]);
  if (page.next) {
    return (
      <Empty icon="search" title="Searching…">
        Looked at {count(page.scanned_to)} of {plural(documents, "document")}.
      </Empty>
    );
  }
  return (
    <Empty icon="search" title="None fits">
      No document is so. Take a filter away, or search for less.
    </Empty>
  );
}

function Jump({ base, documents }: { base: string; documents: number }) {
  const [text, setText] = useState("");
  const wanted = Number(text);
  const fits = text !== "" && Number.isInteger(wanted) && wanted >= 0 && wanted < documents;
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (fits) navigate(`${base}/documents/${wanted}`);
      }}
    >
      <input
        class="input jump"
        inputMode="numeric"
        aria-label={`Number of a document, 0 to ${documents - 1}`}
        placeholder="No."
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" disabled={!fits}>
        Open
      </Button>
    </form>
  );
}

function stateOf(row: DocumentRow): string {
  return row.status ?? "missing";
}

const COLUMNS: readonly Column<DocumentRow>[] = [
  { head: "No.", kind: "right", cell: (row) => count(row.position) },
  { head: "Document", kind: "wide", cell: (row) => <Line text={row.uri} most={200} /> },
  {
    head: "State",
    cell: (row) =>
      row.duplicate_of === null ? <Status state={stateOf(row)} /> : <span class="soft">as no. {count(row.duplicate_of)}</span>,
  },
  {
    head: "Result",
    kind: "wide",
    isExtra: true,
    cell: (row) =>
      row.status === "failed" ? (
        <Line text={[row.cause, row.reason].filter(Boolean).join(": ")} most={160} />
      ) : (
        row.result_preview && <Line text={row.result_preview} most={160} />
      ),
  },
  { head: "Time", kind: "right", isExtra: true, cell: (row) => duration(row.seconds) },
  { head: "Cost", kind: "right", isExtra: true, cell: (row) => <Money nanos={row.usd_nanos} /> },
];

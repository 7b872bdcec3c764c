/** What is shown of a batch on more than one page. */
import type { BatchCard, BatchView } from "../api/types";
import { duration, percent, short } from "../lib/format";
import { pageOf } from "../lib/router";
import { type Part, Progress } from "../ui/figures";
import { Status } from "../ui/status";
import { Money, SafeText } from "../ui/text";

export function failedOf(batch: BatchView): number {
  return Object.values(batch.failed).reduce((all, many) => all + many, 0);
}

/** Documents that have an outcome of their own, or will have: duplicates share another's. */
export function ownOf(batch: BatchView): number {
  return batch.documents - batch.duplicates;
}

export function partsOf(batch: BatchView): Part[] {
  return [
    { name: "done", many: batch.done, tone: batch.state === "finished" ? "good" : "accent" },
    { name: "failed", many: failedOf(batch), tone: "bad" },
  ];
}

export function allParts(batch: BatchCard): Part[] {
  const parts = partsOf(batch);
  if (batch.in_flight > 0) parts.push({ name: "in flight", many: batch.in_flight, tone: "quiet" });
  return parts;
}

export function BatchStatus({ batch }: { batch: BatchView }) {
  if (batch.problem && batch.state === "running") return <Status state="held up" />;
  return <Status state={batch.state} />;
}

/** A batch in two lines, with its progress. */
export function BatchLine({ batch }: { batch: BatchCard }) {
  const rate = batch.documents_per_minute;
  return (
    <a class="batch-line" href={pageOf(batch.id, "batch")}>
      <span class="row apart">
        <strong class="cut">
          <SafeText text={batch.id} />
        </strong>
        <BatchStatus batch={batch} />
      </span>
      <Progress parts={partsOf(batch)} all={ownOf(batch)} />
      <span class="row apart wrap soft small">
        <span class="num live-figure">
          {short(batch.done)} of {short(ownOf(batch))} · {percent(batch.done, ownOf(batch))}
        </span>
        <span class="num live-figure">
          {rate !== null && `${short(Math.round(rate))} / min · `}
          {batch.state === "running" && batch.seconds_left !== null && `${duration(batch.seconds_left)} left · `}
          <Money nanos={batch.usd_nanos} unpriced={batch.unpriced} />
        </span>
      </span>
    </a>
  );
}

/** How a batch goes: now, over time, and as is to be expected. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { apiPath } from "../api/client";
import type { BatchPage, Series } from "../api/types";
import { count, duration, money, moment, plural, short } from "../lib/format";
import { now } from "../lib/now";
import { useTwin } from "../live/twin";
import { Facts, Legend, Progress, Stat, usePast } from "../ui/figures";
import { Card } from "../ui/page";
import { Plot } from "../ui/plot";
import { Skeleton, With } from "../ui/states";
import { Money, SafeText } from "../ui/text";
import { allParts, ownOf } from "./batch-parts";
import { BudgetGauge } from "./budget";

const LOOK_SECONDS = 3;
const CENT = 10_000_000; // in billionths of a dollar
const FEW = 10;

export function Overview({ batch, at }: { batch: BatchPage; at: number }) {
  const isMoving = batch.state === "running";
  const path = apiPath(["batches", batch.id, "series"], { points: 240 });
  const twin = useTwin<Series>(path, null, isMoving ? LOOK_SECONDS : undefined);
  return (
    <>
      <Now batch={batch} at={at} />
      <div class="grid two">
        <Expected batch={batch} />
        <Figures batch={batch} />
      </div>
      <With twin={twin} loading={<Skeleton height="14rem" />}>
        {(series) => (series.times.length < 2 ? <TooEarly /> : <Plots series={series} at={twin.at.value / 1000} />)}
      </With>
    </>
  );
}

function Now({ batch, at }: { batch: BatchPage; at: number }) {
  const rate = batch.documents_per_minute;
  const past = usePast(rate ?? undefined, at);
  const parts = allParts(batch);
  return (
    <Card>
      <div class="grid stats">
        <Stat name="Done" value={count(batch.done)} more={`of ${count(ownOf(batch))}`} />
        {batch.finished_at ? (
          <Took batch={batch} until={batch.finished_at} />
        ) : (
          <>
            <Stat name="Rate" value={rate === null ? "–" : short(Math.round(rate))} unit="/ min" past={past} />
            <Stat
              name="Left"
              value={batch.state === "running" ? duration(batch.seconds_left) : "–"}
              more={batch.forecast?.ends_at ? `ends about ${moment(batch.forecast.ends_at, now.value)}` : " "}
            />
          </>
        )}
        <Stat
          name="Cost"
          value={<Money nanos={batch.usd_nanos} unpriced={batch.unpriced} />}
          more={batch.forecast?.usd_nanos ? `about ${money(batch.forecast.usd_nanos)} in the end` : " "}
        />
        <Stat name="In flight" value={count(batch.in_flight)} more={`at most ${count(batch.concurrency)}`} />
      </div>
      <Progress parts={parts} all={ownOf(batch)} large />
      <Legend parts={parts} all={ownOf(batch)} />
    </Card>
  );
}

/** How long a batch that has ended was at work, and how fast on the whole. */
function Took({ batch, until }: { batch: BatchPage; until: string }) {
  const seconds = (Date.parse(until) - Date.parse(batch.created_at)) / 1000;
  const rate = seconds > 0 ? (60 * batch.done) / seconds : 0;
  return (
    <>
      <Stat name="Rate on the whole" value={short(Math.round(rate))} unit="/ min" />
      <Stat name="Took" value={duration(seconds)} more={`ended ${moment(until, now.value)}`} />
    </>
  );
}

function Expected({ batch }: { batch: BatchPage }) {
  const { forecast, budget } = batch;
  return (
    <Card title={batch.finished_at ? "Budget" : "To be expected"}>
      {forecast ? (
        <div class="stack tight">
          <Facts
            facts={[
              ["End", forecast.ends_at ? `${moment(forecast.ends_at, now.value)}, in ${duration(forecast.seconds_left)}` : "not known"],
              ["Cost", forecast.usd_nanos === null ? "not known" : `${money(forecast.usd_nanos)} in all`],
            ]}
          />
          <p class="soft small">
            <SafeText text={forecast.basis} />
          </p>
        </div>
      ) : (
        !batch.finished_at && <p class="soft">Nothing can be said of the end now.</p>
      )}
      {budget ? <BudgetGauge budget={budget} /> : <p class="soft">No budget limits it.</p>}
    </Card>
  );
}

function Figures({ batch }: { batch: BatchPage }) {
  const facts: [string, ComponentChildren][] = [
    ["Model calls", count(batch.calls)],
    ["Tokens", `${short(batch.input_tokens)} in, ${short(batch.output_tokens)} out`],
    ["A document", batch.done ? money(Math.round(batch.usd_nanos / batch.done), batch.unpriced) : "–"],
    ["Duplicates", `${count(batch.duplicates)}, at no cost`],
    ["Taken over", `${count(batch.reused)} answers of earlier batches, at no cost`],
    ["Begun again", batch.begun_again ? `${plural(batch.begun_again, "time")}, since a worker died` : "never"],
  ];
  return (
    <Card title="What it took">
      <Facts facts={facts} />
    </Card>
  );
}

function TooEarly() {
  return (
    <Card title="Over time">
      <p class="soft">Plots begin with the first outcomes.</p>
    </Card>
  );
}

function Plots({ series, at }: { series: Series; at: number }) {
  const { times } = series;
  const found = useMemo(() => derived(series, at), [series]);
  const perMinute = (value: number) => short(Math.round(value));
  return (
    <div class="grid two">
      <Card>
        <Plot
          title="Documents a minute"
          times={times}
          write={perMinute}
          least={FEW}
          isWhole
          lines={[{ name: "done", values: found.done, colour: "--plot-1", isFilled: true }]}
        />
      </Card>
      <Card>
        <Plot
          title="Seconds for a document"
          times={times}
          write={duration}
          least={1}
          lines={[
            { name: "median", values: series.p50_seconds, colour: "--plot-2" },
            { name: "95 %", values: series.p95_seconds, colour: "--plot-3" },
          ]}
        />
      </Card>
      <Card>
        <Plot
          title="Failed a minute"
          times={times}
          write={perMinute}
          least={FEW}
          isWhole
          lines={[{ name: "failed", values: found.failed, colour: "--bad-mark", isFilled: true }]}
        />
      </Card>
      <Card>
        <Plot
          title="Cost in all"
          times={times}
          write={money}
          least={CENT}
          lines={[{ name: "spent", values: found.spent, colour: "--plot-4", isFilled: true }]}
        />
      </Card>
      <Card>
        <Plot
          title="Progress"
          times={times}
          write={perMinute}
          least={FEW}
          isWhole
          lines={[{ name: "with an outcome", values: found.progress, colour: "--plot-1", isFilled: true }]}
        />
      </Card>
      <Card>
        <Plot
          title="Tokens a minute"
          times={times}
          write={perMinute}
          least={FEW}
          isWhole
          lines={[
            { name: "in", values: found.tokensIn, colour: "--plot-2" },
            { name: "out", values: found.tokensOut, colour: "--plot-3" },
          ]}
        />
      </Card>
    </div>
  );
}

/** Rates a minute, and sums from the begin. The step that is not over at `until` (epoch, s) has no rate yet. */
export function derived(series: Series, until: number) {
  const { times, step_seconds: step } = series;
  const isOver = (index: number) => (times[index] ?? 0) + step <= until;
  const rate = (values: readonly number[]) =>
    values.map((value, index) => (isOver(index) ? (value * 60) / step : null));
  return {
    done: rate(series.done),
    failed: rate(series.failed),
    tokensIn: rate(series.input_tokens),
    tokensOut: rate(series.output_tokens),
    spent: sums(series.usd_nanos),
    progress: sums(series.done.map((done, index) => done + (series.failed[index] ?? 0))),
  };
}

function sums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}

/** What was spent, by whom and on what; and what may be. */
import { useState } from "preact/hooks";
import { queryText } from "../api/client";
import type { BudgetView, MoneyRow, MoneyView } from "../api/types";
import { count, money, plural, short } from "../lib/format";
import { pageOf, place, setQuery } from "../lib/router";
import { useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Button, Choices } from "../ui/controls";
import { Progress, Stat } from "../ui/figures";
import { Card, Page } from "../ui/page";
import { Empty, SkeletonRows, With } from "../ui/states";
import { type Column, Table } from "../ui/table";
import { Line, Money, SafeText } from "../ui/text";
import { AskBudget, BudgetGauge } from "./budget";

const BY = [
  ["model", "Model"],
  ["agent", "Agent"],
  ["batch", "Batch"],
  ["tenant", "Tenant"],
  ["day", "Day"],
] as const;

const SINCE = [
  ["1d", "Today"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["", "All"],
] as const;

export default function MoneyPage(_: PageProps) {
  const { query } = place.value;
  const by = query.get("by") ?? "model";
  const since = query.get("since") ?? "7d";
  const asked = queryText({ by, since: since === "all" ? "" : since });
  const twin = useTwin<MoneyView>(`/v1/money${asked}`, `money:${asked.slice(1)}`);
  return (
    <Page title="Money" about="What model calls cost, and what they may. Days are those of UTC.">
      <div class="filters">
        <Choices
          label="By"
          value={by}
          options={BY.map(([key, word]) => [key as string, word] as const)}
          onChange={(chosen) => setQuery({ by: chosen })}
        />
        <Choices
          label="Since"
          value={since === "all" ? "" : since}
          options={SINCE.map(([key, word]) => [key as string, word] as const)}
          onChange={(chosen) => setQuery({ since: chosen || "all" })}
        />
      </div>
      <With twin={twin} loading={<Card><SkeletonRows /></Card>}>
        {(data) => <Spent data={data} by={by} />}
      </With>
      <Budgets />
    </Page>
  );
}

function Spent({ data, by }: { data: MoneyView; by: string }) {
  const { total, rows } = data;
  const most = Math.max(1, ...rows.map((row) => row.usd_nanos));
  const priced = total.calls - total.unpriced_calls;
  return (
    <>
      <Card>
        <div class="grid stats">
          <Stat
            name="Spent"
            value={<Money nanos={total.usd_nanos} unpriced={total.unpriced_calls} />}
            more={total.unpriced_calls ? `${plural(total.unpriced_calls, "call")} without a known price` : total.calls ? "every call has a price" : "no call yet"}
          />
          <Stat name="Model calls" value={short(total.calls)} />
          <Stat name="Tokens in" value={short(total.input_tokens)} />
          <Stat name="Tokens out" value={short(total.output_tokens)} />
          <Stat name="A call" value={priced > 0 ? money(Math.round(total.usd_nanos / priced)) : "–"} />
        </div>
      </Card>
      <Card isFlush>
        {rows.length ? (
          <Table label={`Money by ${by}`} columns={columns(by, most)} rows={rows} keyOf={(row) => row.group} hasKeys />
        ) : (
          <Empty icon="money" title="Nothing was spent">
            No model was called in this time{by === "batch" ? " by a batch" : by === "agent" ? " by an agent" : ""}. The
            offline model costs nothing, and batches do not count it.
          </Empty>
        )}
      </Card>
    </>
  );
}

function columns(by: string, most: number): readonly Column<MoneyRow>[] {
  return [
    { head: by.replace(/^./, (first) => first.toUpperCase()), kind: "wide", cell: (row) => <Group by={by} group={row.group} /> },
    {
      head: "Share",
      isExtra: true,
      cell: (row) => (
        <span class="share">
          <Progress all={most} parts={[{ name: "spent", many: row.usd_nanos, tone: "accent" }]} />
        </span>
      ),
    },
    { head: "Cost", kind: "right", cell: (row) => <Money nanos={row.usd_nanos} unpriced={row.unpriced_calls} /> },
    { head: "Calls", kind: "right", cell: (row) => count(row.calls) },
    { head: "Tokens in", kind: "right", isExtra: true, cell: (row) => short(row.input_tokens) },
    { head: "Tokens out", kind: "right", isExtra: true, cell: (row) => short(row.output_tokens) },
  ];
}

function Group({ by, group }: { by: string; group: string }) {
  if (!group) return <span class="soft">none</span>;
  if (by === "batch") {
    return (
      <a href={pageOf(group, "batch")}>
        <Line text={group} />
      </a>
    );
  }
  if (by === "agent") {
    return (
      <a href={`/runs?name=${encodeURIComponent(group)}`}>
        <Line text={group} />
      </a>
    );
  }
  return <Line text={group} />;
}

function Budgets() {
  const twin = useTwin<BudgetView[]>("/v1/budgets", "budgets");
  const [raised, raise] = useState<string | null>(null);
  return (
    <Card title="Budgets">
      <With twin={twin}>
        {(budgets) =>
          budgets.length ? (
            <ul class="grid two">
              {[...budgets].sort(byNeed).map((budget) => (
                <li key={budget.key} class="stack tight framed">
                  <BudgetGauge budget={budget} />
                  {budget.waiting.length > 0 && (
                    <p class="small">
                      {plural(budget.waiting.length, "run waits", "runs wait")} for it:{" "}
                      {budget.waiting.slice(0, 3).map((id) => (
                        <a key={id} class="spaced" href={pageOf(id)}>
                          <SafeText text={id} />
                        </a>
                      ))}
                    </p>
                  )}
                  <div>
                    <Button needs="operate" onClick={() => raise(budget.key)}>
                      Raise
                    </Button>
                  </div>
                </li>
              ))}
            </ul>
          ) : (
            <Empty icon="money" title="No budget is set" command="outlive budget set tenant/NAME 10usd">
              A budget is a hard stop: what would go beyond it pauses and asks. Runs and batches take one of their own with{" "}
              <code>--budget 25usd</code>; this is one for all that is done on behalf of somebody:
            </Empty>
          )
        }
      </With>
      {raised !== null && (
        <AskBudget
          title={`Raise the budget ${raised}`}
          path="/v1/budgets/raise"
          budgetKey={raised}
          onClose={() => raise(null)}
          changed={() => void twin.reload()}
        />
      )}
    </Card>
  );
}

/** What is spent and waited for comes first. */
function byNeed(a: BudgetView, b: BudgetView): number {
  const need = (one: BudgetView) => (one.waiting.length ? 2 : 0) + (one.state === "exhausted" ? 1 : 0);
  return need(b) - need(a) || a.key.localeCompare(b.key);
}

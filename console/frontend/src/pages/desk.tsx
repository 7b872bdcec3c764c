/** What waits for a person: the list, and the one that is open. */
import { apiPath, queryText } from "../api/client";
import type { HandOffView } from "../api/types";
import { KINDS } from "../desk/choices";
import { HandOffDetail } from "../desk/detail";
import { useKeys } from "../lib/keys";
import { navigate, place, setQuery } from "../lib/router";
import { useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Choices, Search, Select } from "../ui/controls";
import { Page } from "../ui/page";
import { Empty, With } from "../ui/states";
import { Status } from "../ui/status";
import { Ago, SafeText } from "../ui/text";

export default function Desk({ params }: PageProps) {
  const chosen = params["tab"];
  const { query } = place.value;
  const isAll = query.get("state") === "all";
  const path = apiPath(["hand-offs"]) + queryText({ state: isAll ? "all" : "" });
  const twin = useTwin<HandOffView[]>(path, isAll ? null : "hand-offs");
  const waiting = twin.data.value;
  const shown = (waiting ?? []).filter((one) => fits(one, query));
  useMoving(shown, chosen);
  return (
    <Page title="Desk" about="What waits for a person, what has waited longest first.">
      <div class={chosen ? "desk has-open" : "desk"}>
        <section class="desk-list" aria-label="Hand-offs">
          <Filters waiting={waiting ?? []} isAll={isAll} />
          <With twin={twin}>{() => (shown.length > 0 ? <List rows={shown} chosen={chosen} /> : <Nothing isFiltered={(waiting ?? []).length > 0} />)}</With>
        </section>
        <section class="desk-open" aria-label="Hand-off">
          {chosen && (
            <a class="crumb phone-only" href={`/desk${queryOf(query)}`}>
              ‹ All that wait
            </a>
          )}
          {chosen ? (
            <HandOffDetail key={chosen} id={chosen} openNow={waiting} />
          ) : (
            shown.length > 0 && (
              <Empty icon="desk" title="Choose what to decide">
                <kbd>j</kbd> and <kbd>k</kbd> move through the list.
              </Empty>
            )
          )}
        </section>
      </div>
    </Page>
  );
}

function queryOf(query: URLSearchParams): string {
  const text = query.toString();
  return text ? `?${text}` : "";
}

function hrefOf(one: HandOffView): string {
  return `/desk/${encodeURIComponent(one.id)}${queryOf(place.peek().query)}`;
}

function fits(one: HandOffView, query: URLSearchParams): boolean {
  const kind = query.get("kind");
  const agent = query.get("agent");
  const text = (query.get("q") ?? "").toLowerCase();
  if ((kind && one.kind !== kind) || (agent && one.agent !== agent)) return false;
  return text === "" || `${one.reason}\n${one.subject}\n${one.run}\n${one.id}`.toLowerCase().includes(text);
}

function Filters({ waiting, isAll }: { waiting: readonly HandOffView[]; isAll: boolean }) {
  const { query } = place.value;
  const distinct = (of: (one: HandOffView) => string) => [...new Set(waiting.map(of))].filter(Boolean).sort();
  const kinds = distinct((one) => one.kind).map((kind) => [kind, KINDS[kind] ?? kind] as const);
  const agents = distinct((one) => one.agent).map((agent) => [agent, agent] as const);
  return (
    <div class="filters">
      <Choices
        label="Which"
        value={isAll ? "all" : "open"}
        options={[
          ["open", "Waiting"],
          ["all", "All"],
        ]}
        onChange={(to) => setQuery({ state: to === "all" ? "all" : null })}
      />
      <Search label="Find" value={query.get("q") ?? ""} onSearch={(q) => setQuery({ q })} />
      {kinds.length > 1 && (
        <Select label="Kind" value={query.get("kind") ?? ""} options={[["", "Any kind"], ...kinds]} onChange={(kind) => setQuery({ kind })} />
      )}
      {agents.length > 1 && (
        <Select label="Agent" value={query.get("agent") ?? ""} options={[["", "Any agent"], ...agents]} onChange={(agent) => setQuery({ agent })} />
      )}
    </div>
  );
}

function List({ rows, chosen }: { rows: readonly HandOffView[]; chosen: string | undefined }) {
  return (
    <ul class="card flush waiting">
      {rows.map((one) => (
        <li key={one.id}>
          <a href={hrefOf(one)} aria-current={one.id === chosen ? "true" : undefined}>
            <span class="row small soft">
              <span class="grow cut">
                {KINDS[one.kind] ?? one.kind} · <SafeText text={one.subject} />
              </span>
              {one.state === "open" ? <Ago at={one.opened_at} /> : <Status state={one.state} />}
            </span>
            <span class="reason">
              <SafeText text={one.reason.slice(0, 240)} />
            </span>
            <span class="row small faint">
              <span class="cut grow">
                <SafeText text={one.run} />
              </span>
              {one.claimed_by && (
                <span class="cut">
                  <SafeText text={`${one.claimed_by} has it`} />
                </span>
              )}
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <Empty icon="filter" title="None fits the filter" />;
  return (
    <Empty icon="check" title="Nothing waits for a person">
      What needs one is shown here as soon as it does: approvals, questions, unknown outcomes, budgets that are used up.
    </Empty>
  );
}

function useMoving(rows: readonly HandOffView[], chosen: string | undefined): void {
  const at = rows.findIndex((one) => one.id === chosen);
  const move = (to: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (next) navigate(hrefOf(next), { replace: chosen !== undefined });
  };
  useKeys(
    [
      { keys: "j", what: "Next hand-off", then: () => move(at + 1) },
      { keys: "k", what: "Hand-off before", then: () => move(at < 0 ? 0 : at - 1) },
      { keys: "c", what: "Decide: go to the choices", then: focusChoices },
    ],
    [rows.map((one) => one.id).join(), chosen],
  );
}

function focusChoices(): void {
  document.querySelector<HTMLElement>(".deciding button, .deciding input, .deciding textarea")?.focus();
}

/** One entry of a run, with all that is known of it. */
import type { ComponentChildren } from "preact";
import { count, duration, money } from "../lib/format";
import { pageOf } from "../lib/router";
import { Button, Copy, CopyLink } from "../ui/controls";
import { Facts } from "../ui/figures";
import { Icon } from "../ui/icons";
import { ProblemView, SkeletonRows } from "../ui/states";
import { Status } from "../ui/status";
import { Moment, SafeText } from "../ui/text";
import { useEntry } from "./entries";
import type { Line } from "./lines";
import { iconOf, kindWord, nameOf } from "./step";
import type { Entry, Failure, Row } from "./types";
import { OnDemand, ValueBlock } from "./values";

interface PanelProps {
  line: Line & { kind: "row" };
  /** Address of this entry. */
  href: string;
  onClose: () => void;
}

export function EntryPanel({ line, href, onClose }: PanelProps) {
  const { row, owner } = line;
  const known = useEntry(owner, row);
  const entry = known.entry.value;
  return (
    <aside class="card entry-panel" aria-label={`Entry ${line.key}`}>
      <div class="card-head">
        <h2 class="row">
          <Icon name={iconOf(row.kind)} />
          <SafeText text={nameOf(row)} />
        </h2>
        <span class="row">
          <CopyLink href={href} label="Copy the link to this entry" />
          <Button icon="cross" look="bare" label="Close" onClick={onClose} />
        </span>
      </div>
      <div class="row wrap">
        <Status state={row.state} />
        <span class="small soft">
          {kindWord(row.kind)} {line.key}
        </span>
      </div>
      <Facts facts={factsOf(row, entry)} />
      {known.problem.value && <ProblemView problem={known.problem.value} />}
      {!entry && !known.problem.value && <SkeletonRows rows={4} />}
      {entry && <Details entry={entry} owner={owner} />}
    </aside>
  );
}

type Fact = readonly [string, ComponentChildren];

function factsOf(row: Row, entry: Entry | undefined): Fact[] {
  const facts: (Fact | false)[] = [
    ["Began", <Moment at={row.began_at} />],
    row.seconds !== null && ["Took", duration(row.seconds)],
    row.attempts > 0 && ["Attempts", attemptsOf(row)],
    row.input_tokens !== null && ["Tokens", `${count(row.input_tokens)} in, ${count(row.output_tokens)} out`],
    row.kind === "model_call" && ["Cost", row.usd_nanos === null ? "price not known" : money(row.usd_nanos)],
  ];
  if (entry) facts.push(...moreOf(entry));
  return facts.filter((fact): fact is Fact => fact !== false);
}

function attemptsOf(row: Row): string {
  return row.failures > 0 ? `${row.attempts}, of which ${row.failures} failed` : String(row.attempts);
}

function moreOf(entry: Entry): (Fact | false)[] {
  const text = (value: string | null | undefined) => (value ? <SafeText text={value} /> : null);
  const { ledger } = entry;
  return [
    Boolean(entry.finish) && ["Finished", text(entry.finish)],
    Boolean(entry.next_at) && ["Next attempt", <Moment at={entry.next_at} />],
    Boolean(entry.toolset) && ["Toolset", text(entry.toolset)],
    Boolean(entry.verdict) && entry.verdict !== "tool_return" && ["The tool", text(VERDICTS[entry.verdict ?? ""] ?? entry.verdict)],
    Boolean(entry.fires_at) && ["Fires", <Moment at={entry.fires_at} />],
    Boolean(entry.sent_by) && ["Sent by", text(entry.sent_by)],
    Boolean(entry.worker) && ["Worker", text(entry.worker)],
    Boolean(ledger?.policy) && ["Effect", <PolicyOf policy={ledger?.policy ?? ""} />],
    Boolean(ledger) && ["In the ledger", <LedgerState state={ledger?.state ?? ""} />],
    Boolean(ledger) && [
      "Key",
      <span class="row">
        <code class="cut">{ledger?.key}</code>
        <Copy text={ledger?.key ?? ""} label="Copy the key" />
      </span>,
    ],
  ];
}

const VERDICTS: Record<string, string> = {
  model_retry: "asked the model to try again",
  tool_failed: "told the model that it has failed",
  approval_required: "asks for approval",
  run_cancelled: "was cancelled",
};

const POLICIES: Record<string, string> = {
  idempotent: "may be made again under the same key",
  transactional: "committed together with its marker",
  checked: "looked up before it is made again",
  once: "never made again without asking",
};

function PolicyOf({ policy }: { policy: string }) {
  return (
    <>
      <code>{policy}</code> <span class="soft">{POLICIES[policy] ?? ""}</span>
    </>
  );
}

const LEDGER: Record<string, string> = {
  begun: "begun; its end is not known yet",
  done: "done; it is never made again",
  failed: "failed",
  unknown: "nobody knows whether it happened",
  refused: "refused",
  shadowed: "rehearsed, not made",
};

function LedgerState({ state }: { state: string }) {
  return <span>{LEDGER[state] ?? state}</span>;
}

function Details({ entry, owner }: { entry: Entry; owner: string }) {
  return (
    <>
      {entry.failure && <FailureView failure={entry.failure} isOver={entry.state !== "done"} />}
      {entry.kind === "wait" && <Question entry={entry} />}
      {entry.kind === "child" && entry.workflow_id && (
        <p>
          <a href={pageOf(entry.workflow_id)}>
            Open the run <SafeText text={entry.workflow_id} />
          </a>
        </p>
      )}
      {entry.messages_ref && <OnDemand owner={owner} name="What the model was given" at={entry.messages_ref} />}
      <ValueBlock owner={owner} name="Thinking" value={entry.thinking} />
      <ValueBlock owner={owner} name="Answer" value={entry.text} />
      {entry.asked?.map((asked) => (
        <ValueBlock key={asked.tool_call_id} owner={owner} name={`Calls ${asked.tool}`} value={asked.args} />
      ))}
      <ValueBlock owner={owner} name="Arguments" value={entry.args} />
      <ValueBlock owner={owner} name="Result" value={entry.result} />
      <ValueBlock owner={owner} name="Content" value={entry.content} />
    </>
  );
}

export function FailureView({ failure, isOver = true }: { failure: Failure; isOver?: boolean }) {
  return (
    <div class={`banner ${isOver ? "tone-bad" : "tone-warn"}`}>
      <Icon name={isOver ? "cross" : "retry"} />
      <span class="grow">
        <strong>
          {isOver ? "" : "An attempt failed: "}
          <SafeText text={failure.type} />.{" "}
        </strong>
        <SafeText text={failure.message} />
      </span>
    </div>
  );
}

function Question({ entry }: { entry: Entry }) {
  return (
    <div class="stack tight">
      <p>
        <SafeText text={entry.reason ?? ""} block />
      </p>
      {entry.choice ? (
        <p>
          <strong>
            <SafeText text={entry.choice} />
          </strong>
          {entry.decided_by && (
            <>
              {", decided by "}
              <SafeText text={entry.decided_by} />
            </>
          )}
        </p>
      ) : (
        entry.question_id && (
          <p>
            <a class="button primary" href={`/desk/${encodeURIComponent(entry.question_id)}`}>
              Decide at the desk
            </a>
          </p>
        )
      )}
    </div>
  );
}

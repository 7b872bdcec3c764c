/** One run: in time, and as a conversation. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { post, runPath } from "../api/client";
import type { RunView } from "../api/types";
import { count, short } from "../lib/format";
import { place, setQuery } from "../lib/router";
import { session } from "../lib/session";
import { useTwin } from "../live/twin";
import { Composer } from "../runs/composer";
import { feedOf, type RunFeed, useRun, workflowPath } from "../runs/feed";
import { linesOf, NO_FILTER, opened } from "../runs/lines";
import { EntryPanel, FailureView } from "../runs/panel";
import { Talk } from "../runs/talk";
import { Timeline } from "../runs/timeline";
import { CLOSED, type Outline } from "../runs/types";
import { ValueBlock } from "../runs/values";
import { Button, Choices, useAction } from "../ui/controls";
import { Ask } from "../ui/dialog";
import { Stat } from "../ui/figures";
import { Icon } from "../ui/icons";
import { Card, Page } from "../ui/page";
import type { PageProps } from "../routes";
import { ProblemView, SkeletonRows } from "../ui/states";
import { Status } from "../ui/status";
import { Ago, Lasting, Moment, Money, SafeText } from "../ui/text";

const REREAD_SECONDS = 5; // of what the outline does not tell: who speaks, and what is tried again

type View = "timeline" | "conversation";

export default function Run({ params }: PageProps) {
  const id = params["id"] ?? "";
  const feed = useRun(id);
  void feed.revision.value;
  const head = feed.store.head;
  const isAgent = id.startsWith("agent/");
  const isRun = isAgent || id.startsWith("plan/");
  const isOpen = head !== null && !CLOSED.has(head.state);
  const run = useTwin<RunView>(isRun ? runPath(id) : null, null, isOpen ? REREAD_SECONDS : undefined);
  useEffect(() => {
    if (isRun && head) void run.reload();
  }, [head?.state, head?.turns.length, isRun]);
  const asked = place.value.query.get("view") as View | null;
  const view: View = isAgent ? (asked ?? (run.data.value?.is_conversation ? "conversation" : "timeline")) : "timeline";
  return (
    <Page
      title={nameOfRun(id)}
      mark={head && <Status state={head.state} word={isIdle(head, run.data.value) ? "waits for a message" : undefined} />}
      about={head && <About head={head} />}
      up={{ href: "/runs", word: "Runs" }}
      actions={head && <Actions id={id} head={head} run={run.data.value} onDone={() => void run.reload()} />}
    >
      {feed.problem.value && <ProblemView problem={feed.problem.value} />}
      {head === null && !feed.problem.value && <SkeletonRows rows={10} />}
      {head && (
        <>
          <Problems head={head} run={run.data.value} />
          <Figures head={head} />
          {isAgent && (
            <Choices<View>
              label="View"
              value={view}
              onChange={(to) => setQuery({ view: to }, { replace: false })}
              options={[
                ["timeline", "Timeline"],
                ["conversation", "Conversation"],
              ]}
            />
          )}
          {view === "timeline" ? <InTime feed={feed} head={head} /> : <AsTalk feed={feed} head={head} run={run.data.value} onSent={() => void run.reload()} />}
        </>
      )}
    </Page>
  );
}

function isIdle(head: Outline, run: RunView | undefined): boolean {
  return head.state === "running" && run?.is_conversation === true && head.turns.every((turn) => turn.ended_at !== null);
}

function nameOfRun(id: string): string {
  const [kind, , ...rest] = id.split("/");
  return kind === "agent" || kind === "plan" ? rest.join("/") : id;
}

function About({ head }: { head: Outline }) {
  const of = head.agent ? `Agent ${head.agent}` : head.plan ? `Plan ${head.plan}` : `Workflow ${head.workflow_type}`;
  return (
    <>
      <SafeText text={of} />, began <Ago at={head.began_at} />
      {head.parts.length > 1 && (
        <span title={head.parts.map((part) => `${part.id}: ${part.events} events`).join("\n")}>
          {`, in ${head.parts.length} parts of history with ${count(head.parts.reduce((sum, part) => sum + part.events, 0))} events`}
        </span>
      )}
    </>
  );
}

function Problems({ head, run }: { head: Outline; run: RunView | undefined }) {
  return (
    <>
      {head.problem && (
        <div class="banner tone-bad" role="status">
          <Icon name="alert" />
          <span class="grow">
            <strong>It is stuck. </strong>
            <SafeText text={head.problem} />
          </span>
        </div>
      )}
      {head.questions.map((question) => (
        <div class="banner tone-warn" key={question.question_id} role="status">
          <Icon name="person" />
          <span class="grow">
            <strong>It waits for a person. </strong>
            <SafeText text={question.reason} />
          </span>
          <a class="button" href={`/desk/${encodeURIComponent(question.question_id)}`}>
            Decide
          </a>
        </div>
      ))}
      {run?.waiting.map((one) => (
        <div class="banner tone-warn" key={one.name}>
          <Icon name="retry" />
          <span class="grow">
            <strong>
              <SafeText text={one.name} /> is tried again
            </strong>{" "}
            (attempt {one.attempt}, {one.next_at ? <Ago at={one.next_at} /> : "now"}): <SafeText text={one.reason} />
          </span>
        </div>
      ))}
      {head.failure && <FailureView failure={head.failure} />}
      {head.notes.map((note) => (
        <p class="small soft" key={note}>
          <SafeText text={note} />
        </p>
      ))}
    </>
  );
}

function Figures({ head }: { head: Outline }) {
  const { totals } = head;
  return (
    <section class="card grid stats" aria-label="Figures">
      <Stat
        name={head.ended_at ? "Took" : "Has gone on for"}
        value={head.began_at ? <Lasting since={head.began_at} until={head.ended_at} /> : "–"}
        more={head.ended_at ? <Moment at={head.ended_at} /> : undefined}
      />
      <Stat name="Model calls" value={short(totals.model_calls)} />
      <Stat name="Tool calls" value={short(totals.tool_calls)} />
      <Stat name="Tokens in, out" value={`${short(totals.input_tokens)}, ${short(totals.output_tokens)}`} />
      <Stat name="Cost" value={<Money nanos={totals.usd_nanos} unpriced={totals.unpriced} />} />
      <Stat name="Failed attempts" value={short(totals.failures)} />
    </section>
  );
}

function InTime({ feed, head }: { feed: RunFeed; head: Outline }) {
  const chosen = place.value.query.get("step");
  const revision = feed.revision.value;
  const line = useMemo(() => (chosen ? lineOf(feed, chosen) : null), [feed, chosen, revision]);
  return (
    <>
      <div class={line ? "with-panel" : undefined}>
        <Card isFlush>
          <Timeline feed={feed} />
        </Card>
        {line && (
          <EntryPanel
            key={line.key}
            line={line}
            href={`${place.value.path}?${new URLSearchParams({ step: line.key })}`}
            onClose={() => setQuery({ step: null })}
          />
        )}
      </div>
      {(head.input || head.output) && (
        <Card title={head.output ? "What it ended with" : "What it was started with"}>
          <ValueBlock owner={feed.id} name="Input" value={head.input} />
          <ValueBlock owner={feed.id} name="Output" value={head.output} />
        </Card>
      )}
    </>
  );
}

/** The entry of a key, also where its line is folded or filtered out. */
function lineOf(feed: RunFeed, key: string) {
  const folding = { closedTurns: new Set<string>(), openRows: new Set(opened(key)) };
  const found = linesOf(feed.store, folding, NO_FILTER, (id) => feedOf(id).store).find((line) => line.key === key);
  return found?.kind === "row" ? found : null;
}

interface TalkProps {
  feed: RunFeed;
  head: Outline;
  run: RunView | undefined;
  onSent: () => void;
}

function AsTalk({ feed, head, run, onSent }: TalkProps) {
  const last = head.turns.at(-1);
  const isWorking = last !== undefined && last.ended_at === null;
  const isOpen = !CLOSED.has(head.state);
  return (
    <div class="conversation">
      <Talk feed={feed} isKeptAtEnd={isOpen} />
      {isOpen && run && (run.is_conversation || isWorking) && <Composer run={run} isWorking={isWorking} onSent={onSent} />}
    </div>
  );
}

interface ActionsProps {
  id: string;
  head: Outline;
  run: RunView | undefined;
  onDone: () => void;
}

function Actions({ id, head, run, onDone }: ActionsProps) {
  const [asks, ask] = useState<"cancel" | "close" | null>(null);
  const isRun = run !== undefined;
  const isOpen = !CLOSED.has(head.state);
  const cancel = useAction(() => post(runPath(id, "cancel")).then(onDone), "The run was asked to end");
  const close = useAction(() => post(runPath(id, "close")).then(onDone), "The conversation ends once all is answered");
  return (
    <>
      {session.value?.temporal_ui && (
        <a class="button" href={head.temporal_url} target="_blank" rel="noopener">
          <Icon name="temporal" /> Temporal
        </a>
      )}
      <a class="button" href={isRun ? runPath(id, "trace") : workflowPath(id, "outline")} target="_blank" rel="noopener">
        JSON
      </a>
      {isOpen && run?.is_conversation && (
        <Button needs="operate" onClick={() => ask("close")}>
          Close
        </Button>
      )}
      {isOpen && isRun && (
        <Button needs="operate" look="danger" onClick={() => ask("cancel")}>
          Cancel
        </Button>
      )}
      {asks === "cancel" && (
        <Ask title="Cancel this run?" word="Cancel the run" action={cancel} onClose={() => ask(null)} isDangerous>
          <p>It ends as soon as the calls in flight can be broken off. What was done stays done.</p>
        </Ask>
      )}
      {asks === "close" && (
        <Ask title="Close this conversation?" word="Close it" action={close} onClose={() => ask(null)}>
          <p>Everything said so far is still answered; then the conversation ends, and nothing more can be said.</p>
        </Ask>
      )}
    </>
  );
}


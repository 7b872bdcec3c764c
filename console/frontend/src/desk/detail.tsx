/** One hand-off with all that is needed to decide it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { apiPath, post } from "../api/client";
import type { HandOffView } from "../api/types";
import { pageOf } from "../lib/router";
import { take, useTwin } from "../live/twin";
import { useRun } from "../runs/feed";
import { Talk } from "../runs/talk";
import { ActionButton, Button, CopyLink } from "../ui/controls";
import { Facts } from "../ui/figures";
import { Icon } from "../ui/icons";
import { JsonView, ValueView } from "../ui/json";
import { Card } from "../ui/page";
import { With } from "../ui/states";
import { Mark, Status } from "../ui/status";
import { Ago, Moment, SafeText } from "../ui/text";
import { KINDS, pastOf, remaining } from "./choices";
import { Deciding } from "./deciding";
import { AskName, useName } from "./name";

/** Args: `openNow` are those that the list shows: when this one leaves it, it was decided. */
export function HandOffDetail({ id, openNow }: { id: string; openNow: readonly HandOffView[] | undefined }) {
  const twin = useTwin<HandOffView>(apiPath(["hand-offs", id]));
  const listed = openNow?.find((one) => one.id === id);
  const wasOpen = useRef(false);
  const mark = `${listed?.state} ${listed?.claimed_by} ${listed?.escalated_to}`;
  useEffect(() => void twin.reload(), [mark, twin]);
  useEffect(() => {
    wasOpen.current ||= twin.data.value?.id === id && twin.data.value.state === "open";
  });
  return (
    <With twin={twin}>
      {(handOff) => (
        <article class="hand-off" aria-label={`Hand-off ${id}`}>
          <Head handOff={handOff} />
          {handOff.state === "open" ? (
            <>
              <Claiming handOff={handOff} onChange={(to) => take(twin, to)} />
              <Deciding
                key={handOff.id}
                handOff={handOff}
                onDecided={(decided) => take(twin, decided)}
                onStale={() => void twin.reload()}
              />
            </>
          ) : (
            <Outcome handOff={handOff} isNew={wasOpen.current} />
          )}
          <About handOff={handOff} />
          <Beside handOff={handOff} />
        </article>
      )}
    </With>
  );
}

function Head({ handOff }: { handOff: HandOffView }) {
  return (
    <header class="stack tight">
      <div class="row wrap small soft">
        <Mark tone="quiet" icon={handOff.kind === "budget" ? "money" : "person"}>
          {KINDS[handOff.kind] ?? handOff.kind}
        </Mark>
        <SafeText text={handOff.subject} />
        <span>
          asked <Ago at={handOff.opened_at} />
        </span>
        {handOff.escalated_to && (
          <span>
            escalated to <SafeText text={handOff.escalated_to} />
          </span>
        )}
        <CopyLink href={`/desk/${encodeURIComponent(handOff.id)}`} />
      </div>
      <h2 class="question">
        <SafeText text={handOff.reason} block />
      </h2>
      <a href={pageOf(handOff.run)}>
        <SafeText text={handOff.run} />
      </a>
    </header>
  );
}

function Claiming({ handOff, onChange }: { handOff: HandOffView; onChange: (to: HandOffView) => void }) {
  const name = useName();
  const [asks, ask] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const before = useRef(handOff.claimed_by);
  useEffect(() => {
    if (before.current !== handOff.claimed_by) keepFocus(box.current?.querySelector("button"));
    before.current = handOff.claimed_by;
  }, [handOff.claimed_by]);
  const isMine = handOff.claimed_by === name.value && name.isGiven;
  const send = (what: "claim" | "release", force: boolean) => async () => {
    name.remember();
    onChange(await post<HandOffView>(apiPath(["hand-offs", handOff.id, what]), { by: name.value, force }));
  };
  if (handOff.claimed_by === null) {
    return (
      <div ref={box} class="row wrap">
        {name.isGiven && !asks ? (
          <ActionButton icon="person" needs="decide" act={send("claim", false)}>
            Claim it
          </ActionButton>
        ) : (
          <Button icon="person" needs="decide" onClick={() => ask(true)}>
            Claim it
          </Button>
        )}
        {asks && (
          <AskName title="Who claims it?" word="Claim it" name={name} act={send("claim", false)} onClose={() => ask(false)} />
        )}
        <span class="small soft">Nobody else can decide it then, for 30 minutes.</span>
      </div>
    );
  }
  return (
    <div ref={box} class={isMine ? "banner tone-good" : "banner tone-warn"}>
      <Icon name="person" />
      <span class="grow">
        {isMine ? "You have claimed it." : <SafeText text={`${handOff.claimed_by} has claimed it.`} />}
      </span>
      {isMine ? (
        <ActionButton needs="decide" act={send("release", false)}>
          Release it
        </ActionButton>
      ) : name.isGiven && !asks ? (
        <ActionButton needs="decide" act={send("claim", true)}>
          Claim it all the same
        </ActionButton>
      ) : (
        <Button needs="decide" onClick={() => ask(true)}>
          Claim it all the same
        </Button>
      )}
      {asks && (
        <AskName title="Who claims it?" word="Claim it all the same" name={name} act={send("claim", true)} onClose={() => ask(false)} />
      )}
    </div>
  );
}

/** The button that was pressed is gone: whoever works with the keyboard goes on from what took its place. */
function keepFocus(to: HTMLElement | null | undefined) {
  if (document.activeElement === null || document.activeElement === document.body) to?.focus({ preventScroll: true });
}

const OVER: Record<string, string> = {
  expired: "Nobody decided in time; the choice for that case was taken.",
  void: "Its run ended, or went another way, before anybody decided.",
};

function Outcome({ handOff, isNew }: { handOff: HandOffView; isNew: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    element.current?.scrollIntoView({ block: "nearest" });
    if (isNew) keepFocus(element.current);
  }, []);
  return (
    <div ref={element} tabIndex={-1} role="status" class={`banner tone-${handOff.state === "decided" ? "good" : "quiet"}`}>
      <Status state={handOff.state} />
      <span class="grow">
        {handOff.choice && (
          <>
            <strong>
              <SafeText text={pastOf(handOff.choice)} />
            </strong>
            {handOff.decided_by && (
              <>
                {" by "}
                <SafeText text={handOff.decided_by} />
              </>
            )}
            , <Moment at={handOff.decided_at} />.{" "}
          </>
        )}
        {OVER[handOff.state]}
        {handOff.note && (
          <>
            {" “"}
            <SafeText text={handOff.note} />”
          </>
        )}
      </span>
      <a href={pageOf(handOff.run)}>Follow the run</a>
    </div>
  );
}

function About({ handOff }: { handOff: HandOffView }) {
  const { args, tool } = handOff.about;
  const rest = Object.entries(remaining(handOff.about));
  const hasValue = handOff.state !== "open" && handOff.value !== null;
  return (
    <>
      {args !== undefined && (
        <Card title={`Arguments${typeof tool === "string" ? ` of ${tool}` : ""}`}>
          <Given value={args} />
        </Card>
      )}
      {hasValue && (
        <Card title="Decided with">
          <ValueView value={handOff.value} />
        </Card>
      )}
      {rest.length > 0 && (
        <Card title="Besides">
          <Given value={Object.fromEntries(rest)} />
        </Card>
      )}
    </>
  );
}

const MOST_FACTS = 30;

/** Named values one below the other; what is nested as a tree. */
function Given({ value }: { value: unknown }) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return <ValueView value={value} />;
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length === 0) return <p class="soft">None.</p>;
  if (entries.length > MOST_FACTS) return <JsonView value={value} />;
  return <Facts facts={entries.map(([name, one]) => [name, <Short value={one} />] as const)} />;
}

function Short({ value }: { value: unknown }) {
  if (value !== null && typeof value === "object") return <JsonView value={value} />;
  return <SafeText text={typeof value === "string" ? value : JSON.stringify(value)} block />;
}

function Beside({ handOff }: { handOff: HandOffView }) {
  if (!handOff.run.startsWith("agent/")) return null;
  return (
    <Card title="What was said before" side={<a href={`${pageOf(handOff.run)}?view=conversation`}>Open the run</a>}>
      <TalkOf id={handOff.run} />
    </Card>
  );
}

function TalkOf({ id }: { id: string }) {
  const feed = useRun(id);
  void feed.revision.value;
  return feed.store.head ? <Talk feed={feed} /> : null;
}

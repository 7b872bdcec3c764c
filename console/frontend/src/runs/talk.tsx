/** A run as a conversation: what was said, thought, called and answered, also while it is being said. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, duration, money } from "../lib/format";
import { pageOf } from "../lib/router";
import { Icon } from "../ui/icons";
import { ValueView } from "../ui/json";
import { Empty, ProblemView } from "../ui/states";
import { Status } from "../ui/status";
import { Moment, SafeText } from "../ui/text";
import { Matching, type Part, partsOf } from "./conversation";
import { useEntry } from "./entries";
import type { RunFeed } from "./feed";
import { FailureView } from "./panel";
import { KindIcon, nameOf } from "./step";
import { useStream } from "./stream";
import type { LiveCall } from "./transcript";
import { CLOSED, ENDED, type Entry, type Row } from "./types";
import { ValueBlock } from "./values";

const AT_ONCE = 60; // parts; earlier ones on demand
const NEAR_END_PX = 120;
const TAKE_OVER = "take_over";

/** Args: `isKeptAtEnd` where it is the end of a page that one talks in. */
export function Talk({ feed, isKeptAtEnd = false }: { feed: RunFeed; isKeptAtEnd?: boolean }) {
  const { head } = feed.store;
  const isOpen = head !== null && !CLOSED.has(head.state);
  const stream = useStream(feed.id, isOpen);
  const matching = useMemo(() => new Matching(), [feed]);
  const revision = `${feed.revision.value} ${stream.revision.value}`;
  const parts = useMemo(() => partsOf(feed.store, stream.transcript, matching), [feed, revision, matching]);
  const [most, more] = useState(AT_ONCE);
  const isEmpty = parts.length === 0 && !feed.isReading.value;
  const talk = useKeptAtEnd(isKeptAtEnd && !isEmpty);
  const hidden = Math.max(0, parts.length - most);
  if (isEmpty) {
    return (
      <Empty icon="message" title="Nothing was said yet">
        What is said to the agent, and what it answers, is shown here.
      </Empty>
    );
  }
  return (
    <div ref={talk} class="talk" aria-label="Conversation" role="log" aria-live="off">
      {hidden > 0 && (
        <button type="button" class="link-button" onClick={() => more(most + 5 * AT_ONCE)}>
          Show earlier parts ({count(hidden)})
        </button>
      )}
      {parts.slice(hidden).map((part) => (
        <PartView key={part.key} part={part} owner={feed.id} />
      ))}
      {head?.failure && <FailureView failure={head.failure} />}
    </div>
  );
}

/** Whoever looks at the end of the page goes on seeing it as it grows; whoever reads further up is left there. */
function useKeptAtEnd(isKept: boolean) {
  const talk = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = talk.current;
    const page = document.scrollingElement;
    if (!isKept || !element || !page) return undefined;
    let isAtEnd = true;
    const look = () => {
      isAtEnd = page.scrollHeight - page.scrollTop - page.clientHeight < NEAR_END_PX;
    };
    const grown = new ResizeObserver(() => {
      if (isAtEnd) page.scrollTop = page.scrollHeight;
    });
    grown.observe(element);
    addEventListener("scroll", look, { passive: true });
    return () => {
      grown.disconnect();
      removeEventListener("scroll", look);
    };
  }, [isKept]);
  return talk;
}

function PartView({ part, owner }: { part: Part; owner: string }) {
  switch (part.kind) {
    case "said":
      return (
        <div class="said">
          <span class="who small soft">
            <Icon name="person" small /> Turn {part.turn.number} <Moment at={part.turn.began_at} />
          </span>
          <Whole owner={owner} value={part.said} />
        </div>
      );
    case "answer":
      return <Answer row={part.row} live={part.live} owner={owner} />;
    case "live":
      return part.live.isModel ? <Streaming live={part.live} /> : <LiveTool live={part.live} />;
    case "tool":
      return <Tool row={part.row} live={part.live} owner={owner} />;
    case "wait":
      return <Question row={part.row} owner={owner} />;
    case "child":
      return <Child row={part.row} />;
    case "message":
      return part.row.name === TAKE_OVER ? (
        <TakenOver row={part.row} owner={owner} />
      ) : (
        <Steering row={part.row} owner={owner} />
      );
    case "quiet":
      return <Quiet rows={part.rows} />;
  }
}

function Whole({ owner, value }: { owner: string; value: { content: unknown } & Parameters<typeof ValueBlock>[0]["value"] }) {
  if (!value) return null;
  if (value.is_cut) return <ValueBlock owner={owner} name="Said" value={value} />;
  return (
    <div class="bubble">
      {value.problem ? <SafeText text={value.problem} /> : <ValueView value={value.content} />}
    </div>
  );
}

/** Whether something has been in sight; what never was is not read. */
function useSeen() {
  const element = useRef<HTMLDivElement>(null);
  const [isSeen, see] = useState(false);
  useLayoutEffect(() => {
    if (isSeen || !element.current) return undefined;
    const watch = new IntersectionObserver(
      (found) => found.some((one) => one.isIntersecting) && see(true),
      { rootMargin: "600px" },
    );
    watch.observe(element.current);
    return () => watch.disconnect();
  });
  return [element, isSeen] as const;
}

function Answer({ row, live, owner }: { row: Row; live: LiveCall | null; owner: string }) {
  const [element, isSeen] = useSeen();
  const known = useEntry(owner, row, isSeen && ENDED.has(row.state));
  const entry = known.entry.value;
  const isOver = ENDED.has(row.state);
  if (live && !isOver) return <Streaming live={live} row={row} />;
  return (
    <div class="answer" ref={element}>
      <span class="who small soft">
        <KindIcon row={row} /> <SafeText text={nameOf(row)} />
        {isOver ? <Figures row={row} /> : <Status state={row.state} />}
      </span>
      {entry?.thinking && (
        <details class="thinking">
          <summary>Thinking</summary>
          <ValueBlock owner={owner} name="Thinking" value={entry.thinking} />
        </details>
      )}
      {entry ? <Said entry={entry} owner={owner} /> : isOver && <Preview text={live?.text || row.summary} />}
      {known.problem.value && <ProblemView problem={known.problem.value} />}
      {entry?.failure && row.state !== "done" && <FailureView failure={entry.failure} />}
    </div>
  );
}

/** What is known before the whole is read. */
function Preview({ text }: { text: string }) {
  return text === "" ? null : (
    <div class="bubble">
      <SafeText text={text} block />
    </div>
  );
}

function Said({ entry, owner }: { entry: Entry; owner: string }) {
  if (entry.text) return <Whole owner={owner} value={entry.text} />;
  const outputs = (entry.asked ?? []).filter((asked) => asked.tool.startsWith("final_result"));
  if (outputs.length > 0) {
    return (
      <>
        {outputs.map((asked) => (
          <ValueBlock key={asked.tool_call_id} owner={owner} name="Result" value={asked.args} />
        ))}
      </>
    );
  }
  const tools = (entry.asked ?? []).map((asked) => asked.tool).join(", ");
  return tools === "" ? null : <span class="small soft">calls {tools}</span>;
}

function Figures({ row }: { row: Row }) {
  const figures = [
    row.seconds !== null && duration(row.seconds),
    row.input_tokens !== null && `${count((row.input_tokens ?? 0) + (row.output_tokens ?? 0))} tokens`,
    row.usd_nanos !== null && money(row.usd_nanos),
    row.failures > 0 && `${row.failures} attempts failed`,
  ];
  return <span class="num faint">{figures.filter(Boolean).join(" · ")}</span>;
}

function Streaming({ live, row }: { live: LiveCall; row?: Row }) {
  return (
    <div class="answer">
      <span class="who small soft">
        <Icon name="model" small /> <SafeText text={row ? nameOf(row) : live.name || "model"} />
        {live.failure ? <Status state="retrying" /> : !live.isEnded && <Status state="running" word="answers" />}
      </span>
      {live.thinking !== "" && (
        <details class="thinking" open={live.text === ""}>
          <summary>Thinking</summary>
          <div class="prose" tabIndex={0} role="region" aria-label="Text">
            <SafeText text={live.thinking} block />
          </div>
        </details>
      )}
      {live.text !== "" && (
        <div class="bubble streaming">
          <SafeText text={live.text} block />
        </div>
      )}
      {live.failure && (
        <span class="small soft">
          <SafeText text={live.failure} />
        </span>
      )}
    </div>
  );
}

function LiveTool({ live }: { live: LiveCall }) {
  return (
    <div class="call">
      <span class="row">
        <Icon name="tool" small />
        <strong>
          <SafeText text={live.name} />
        </strong>
        <Status state="running" />
      </span>
      <Progress live={live} />
    </div>
  );
}

function Progress({ live }: { live: LiveCall | null }) {
  const last = live?.progress.at(-1);
  if (!last) return null;
  return (
    <span class="small soft">
      <SafeText text={last} />
    </span>
  );
}

function Tool({ row, live, owner }: { row: Row; live: LiveCall | null; owner: string }) {
  const [isOpen, open] = useState(false);
  const known = useEntry(owner, row, isOpen);
  const entry = known.entry.value;
  return (
    <details class="call" onToggle={(event) => open(event.currentTarget.open)}>
      <summary>
        <KindIcon row={row} />
        <strong>
          <SafeText text={row.name} />
        </strong>
        <span class="cut faint grow">
          <SafeText text={row.summary} />
        </span>
        {row.state === "done" ? <Figures row={row} /> : <Status state={row.state} />}
      </summary>
      <Progress live={live} />
      {isOpen && known.problem.value && <ProblemView problem={known.problem.value} />}
      {isOpen && entry && (
        <div class="stack tight">
          {entry.failure && <FailureView failure={entry.failure} isOver={row.state !== "done"} />}
          <ValueBlock owner={owner} name="Arguments" value={entry.args} />
          <ValueBlock owner={owner} name="Result" value={entry.result} />
        </div>
      )}
    </details>
  );
}

function Question({ row, owner }: { row: Row; owner: string }) {
  const isOver = ENDED.has(row.state);
  const known = useEntry(owner, row);
  const id = known.entry.value?.question_id;
  return (
    <div class={`banner ${isOver ? "tone-quiet" : "tone-warn"}`}>
      <Icon name="person" />
      <span class="grow">
        <strong>{isOver ? "Asked a person. " : "Waits for a person. "}</strong>
        <SafeText text={row.summary} />
        {isOver && known.entry.value?.decided_by && (
          <span class="soft">
            {" Decided by "}
            <SafeText text={known.entry.value.decided_by} />.
          </span>
        )}
      </span>
      {!isOver && id && (
        <a class="button" href={`/desk/${encodeURIComponent(id)}`}>
          Decide
        </a>
      )}
    </div>
  );
}

function Child({ row }: { row: Row }) {
  return (
    <div class="call">
      <span class="row">
        <KindIcon row={row} />
        <span class="grow cut">
          {row.has_child ? (
            <a href={pageOf(row.has_child)}>
              <SafeText text={row.name} />
            </a>
          ) : (
            <SafeText text={row.name} />
          )}{" "}
          <span class="faint">
            <SafeText text={row.summary} />
          </span>
        </span>
        {row.state === "done" ? <Figures row={row} /> : <Status state={row.state} />}
      </span>
    </div>
  );
}

function Steering({ row, owner }: { row: Row; owner: string }) {
  const known = useEntry(owner, row);
  const content = known.entry.value?.content;
  return (
    <div class="said">
      <span class="who small soft">
        <Icon name="message" small /> {row.name === "steering" ? "Said meanwhile" : <SafeText text={row.name} />}{" "}
        <Moment at={row.began_at} />
      </span>
      {content ? <Whole owner={owner} value={content} /> : <Preview text={row.summary} />}
    </div>
  );
}

/** A person who takes the conversation over, speaks in it, or hands it back. */
function TakenOver({ row, owner }: { row: Row; owner: string }) {
  const content = useEntry(owner, row).entry.value?.content?.content;
  const change = isRecord(content) ? content : {};
  const by = typeof change["by"] === "string" ? change["by"] : "Somebody";
  if (change["action"] === "speak") {
    return (
      <div class="answer">
        <span class="who small soft">
          <Icon name="person" small /> <SafeText text={by} /> <Moment at={row.began_at} />
        </span>
        <div class="bubble">
          <SafeText text={String(change["text"] ?? "")} block />
        </div>
      </div>
    );
  }
  return (
    <p class="quiet small soft">
      <SafeText text={by} /> {change["action"] === "return" ? "hands it back to the agent" : "speaks in the agent's place"}
    </p>
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function Quiet({ rows }: { rows: Row[] }) {
  const names = [...new Set(rows.map((row) => row.name))].slice(0, 3).join(", ");
  return (
    <p class="quiet small faint">
      {rows.length === 1 ? "1 other entry" : `${rows.length} other entries`}: <SafeText text={names} />
    </p>
  );
}

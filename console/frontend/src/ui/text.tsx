/** Text, figures and moments. Whatever others wrote goes through `SafeText`. */
import { useState } from "preact/hooks";
import { ago, bytes, duration, moment, money, wholeMoment } from "../lib/format";
import { beginning, pieces } from "../lib/hostile";
import { now } from "../lib/now";

/** Shown at once of a long text; the rest on demand. */
const FIRST_CHARS = 20_000;
const MORE_CHARS = 400_000;

/** Text of models, documents and callers: only ever text, and nothing in it is hidden. */
export function SafeText({ text, block = false }: { text: string; block?: boolean }) {
  const [shown, show] = useState(FIRST_CHARS);
  const cut = beginning(text, shown);
  return (
    <bdi class={block ? "hostile block" : "hostile"} dir="auto">
      {pieces(cut).map((piece) =>
        piece.shown ? (
          <span class="shown-char" title="A character that would not be seen">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
      {cut.length < text.length && (
        <>
          {"… "}
          <button type="button" class="link-button" onClick={() => show(shown + MORE_CHARS)}>
            Show more ({bytes(text.length - cut.length)} left)
          </button>
        </>
      )}
    </bdi>
  );
}

/** A sentence of Outlive's own: what stands between backticks is a command or a value. */
export function Said({ text }: { text: string }) {
  return (
    <>
      {text.split(/`([^`]+)`/).map((part, index) =>
        index % 2 ? (
          <code key={index}>
            <SafeText text={part} />
          </code>
        ) : (
          part && <SafeText key={index} text={part} />
        ),
      )}
    </>
  );
}

/** One line of somebody's text, cut by the space that there is; the whole in its title. */
export function Line({ text, most = 300 }: { text: string; most?: number }) {
  const start = beginning(text, most);
  return (
    <span class="cut" title={beginning(text, 2000)}>
      <SafeText text={start.length < text.length ? `${start}…` : start} />
    </span>
  );
}

export function Money({ nanos, unpriced = 0 }: { nanos: number | null | undefined; unpriced?: number }) {
  const why = unpriced > 0 ? `${unpriced} calls have no known price and are not in it` : undefined;
  return (
    <span class="num" title={why}>
      {money(nanos, unpriced)}
    </span>
  );
}

export function Duration({ seconds }: { seconds: number | null | undefined }) {
  return <span class="num">{duration(seconds)}</span>;
}

/** How long ago; it goes on while one looks. */
export function Ago({ at }: { at: string | number | null | undefined }) {
  if (at === null || at === undefined) return <span class="num">–</span>;
  return (
    <time class="num" dateTime={stamp(at)} title={wholeMoment(at)}>
      {ago(at, now.value)}
    </time>
  );
}

/** How long something has gone on, or went on. */
export function Lasting({ since, until }: { since: string; until: string | null | undefined }) {
  const end = until ? Date.parse(until) : now.value;
  return <span class="num">{duration(Math.max(0, (end - Date.parse(since)) / 1000))}</span>;
}

export function Moment({ at }: { at: string | number | null | undefined }) {
  if (at === null || at === undefined) return <span class="num">–</span>;
  return (
    <time class="num" dateTime={stamp(at)} title={wholeMoment(at)}>
      {moment(at, now.value)}
    </time>
  );
}

function stamp(at: string | number): string {
  return typeof at === "string" ? at : new Date(at * 1000).toISOString();
}

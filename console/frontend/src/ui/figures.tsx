/** Figures: one with its name and its past, and parts of a whole. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count, percent } from "../lib/format";

interface StatProps {
  name: string;
  value: ComponentChildren;
  unit?: string;
  more?: ComponentChildren;
  /** Its last values, the oldest first. */
  past?: readonly number[];
  href?: string;
}

export function Stat({ name, value, unit, more, past, href }: StatProps) {
  const inside = (
    <>
      <span class="name">{name}</span>
      <span class="value live-figure">
        {value}
        {unit && <small> {unit}</small>}
      </span>
    </>
  );
  return (
    <div class="stat">
      {href ? (
        <a class="stat" href={href}>
          {inside}
        </a>
      ) : (
        inside
      )}
      {more !== undefined && <span class="more">{more}</span>}
      {past && <Spark values={past} />}
    </div>
  );
}

const WIDTH = 100;
const HEIGHT = 30;

/** The course of a figure, without scales. */
export function Spark({ values }: { values: readonly number[] }) {
  const line = sparkPath(values);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {line && <path class="area" d={`${line}V${HEIGHT}H0Z`} />}
      {line && <path d={line} />}
    </svg>
  );
}

/** The line of a course, "" of fewer than two values. */
export function sparkPath(values: readonly number[]): string {
  if (values.length < 2) return "";
  const top = Math.max(...values, 0);
  const step = WIDTH / (values.length - 1);
  const y = (value: number) => (top > 0 ? HEIGHT - 1 - (value / top) * (HEIGHT - 3) : HEIGHT - 1).toFixed(1);
  return values.map((value, index) => `${index ? "L" : "M"}${(index * step).toFixed(1)} ${y(value)}`).join("");
}

const PAST = 60;

/** The last values that a figure had while one looked, one for each new state. */
export function usePast(value: number | undefined, at: number): readonly number[] {
  const [past, keep] = useState<readonly number[]>([]);
  const last = useRef(0);
  useEffect(() => {
    if (value === undefined || at === last.current) return;
    last.current = at;
    keep((known) => [...known.slice(1 - PAST), value]);
  }, [value, at]);
  return past;
}

export interface Part {
  name: string;
  many: number;
  tone: "accent" | "good" | "bad" | "quiet";
}

/** Parts of a whole as one bar; said in words to screen readers. */
export function Progress({ parts, all, large = false }: { parts: readonly Part[]; all: number; large?: boolean }) {
  const words = parts.map((part) => `${count(part.many)} ${part.name}`).join(", ");
  const first = parts[0]?.many ?? 0;
  return (
    <div
      class={large ? "progress large" : "progress"}
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={all ? Math.round((first / all) * 100) : 0}
      aria-valuetext={`${words}, of ${count(all)}`}
      aria-label="Progress"
    >
      {parts.map((part) => (
        <span
          key={part.name}
          class={part.tone === "accent" ? undefined : part.tone}
          style={{ width: `${all ? (part.many / all) * 100 : 0}%` }}
        />
      ))}
    </div>
  );
}

const SWATCH = { accent: "--accent-fill", good: "--good-mark", bad: "--bad-mark", quiet: "--line-strong" } as const;

export function Legend({ parts, all }: { parts: readonly Part[]; all: number }) {
  return (
    <p class="legend">
      {parts.map((part) => (
        <span key={part.name}>
          <i class="swatch" style={{ background: `var(${SWATCH[part.tone]})` }} />
          <span class="num">{count(part.many)}</span> {part.name} · {percent(part.many, all)}
        </span>
      ))}
    </p>
  );
}

/** A name and what it is, one below the other. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{value}</dd>])}
    </dl>
  );
}

/** From moments to places: long stretches in which nothing ran are shown short, and marked. */

export interface Span {
  from: number;
  to: number;
}

export interface Segment extends Span {
  /** Place of its begin and end, from 0 to 1. */
  x0: number;
  x1: number;
  isGap: boolean;
}

export interface TimeScale {
  /** Of the run, from which ticks are counted. */
  origin: number;
  from: number;
  to: number;
  segments: Segment[];
  /** Milliseconds that one whole width stands for where nothing is shortened. */
  width: number;
}

export interface Tick {
  x: number;
  label: string;
}

const SHORTEST_GAP = 5_000; // ms: what is waited less than that is read as time
const GAP_SHARE = 0.05; // of the time in which something ran, that a shortened gap is shown as

/** Unites spans that touch or overlap; takes any order. */
export function united(spans: Iterable<Span>): Span[] {
  const sorted = [...spans].sort((a, b) => a.from - b.from);
  const found: Span[] = [];
  for (const span of sorted) {
    const last = found[found.length - 1];
    if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else found.push({ from: span.from, to: Math.max(span.from, span.to) });
  }
  return found;
}

/**
 * Returns the scale for a run.
 *
 * @param busy When something ran, in ms; waits and timers are left out.
 * @param whole From the first moment to the last; what lies outside of it is cut off.
 * @param origin From which ticks are counted.
 */
export function timeScale(busy: Iterable<Span>, whole: Span, origin = whole.from): TimeScale {
  const from = whole.from;
  const to = Math.max(whole.to, from + 1);
  const pieces = alternating(united(busy), from, to);
  const active = pieces.reduce((sum, piece) => sum + (piece.isGap ? 0 : piece.to - piece.from), 0);
  const longest = Math.max(active * GAP_SHARE, SHORTEST_GAP / 5);
  const threshold = Math.max(SHORTEST_GAP, 2 * longest);
  for (const piece of pieces) piece.isGap &&= piece.to - piece.from > threshold;
  const joined = joinedUp(pieces);
  const shown = (piece: Piece) => (piece.isGap ? longest : piece.to - piece.from);
  const width = joined.reduce((sum, piece) => sum + shown(piece), 0);
  let x = 0;
  const segments = joined.map((piece) => {
    const x0 = x;
    x += shown(piece) / width;
    return { from: piece.from, to: piece.to, isGap: piece.isGap, x0, x1: x };
  });
  return { origin, from, to, segments, width };
}

type Piece = Span & { isGap: boolean };

function alternating(busy: Span[], from: number, to: number): Piece[] {
  const pieces: Piece[] = [];
  let at = from;
  for (const span of busy) {
    const begin = Math.max(span.from, from);
    const end = Math.min(span.to, to);
    if (end < at || begin > to) continue;
    if (begin > at) pieces.push({ from: at, to: begin, isGap: true });
    const start = Math.max(begin, at);
    if (end > start) pieces.push({ from: start, to: end, isGap: false });
    at = Math.max(at, end);
  }
  if (at < to) pieces.push({ from: at, to, isGap: true });
  return pieces;
}

function joinedUp(pieces: Piece[]): Piece[] {
  const found: Piece[] = [];
  for (const piece of pieces) {
    const last = found[found.length - 1];
    if (last && !last.isGap && !piece.isGap) last.to = piece.to;
    else found.push({ ...piece });
  }
  return found;
}

/** Place of a moment, from 0 to 1. */
export function placeOf(scale: TimeScale, at: number): number {
  const segments = scale.segments;
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle] as Segment).to < at) low = middle + 1;
    else high = middle;
  }
  const segment = segments[low];
  if (!segment) return 0;
  const share = (at - segment.from) / (segment.to - segment.from);
  return segment.x0 + Math.min(1, Math.max(0, share)) * (segment.x1 - segment.x0);
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28].map((n) => n * DAY),
]; // prettier-ignore

/** The shortest step in ms that people count in and that leaves `most` ticks or fewer. */
export function tickStep(width: number, most: number): number {
  const wanted = width / Math.max(1, most);
  return STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / (28 * DAY)) * 28 * DAY;
}

/** Returns ticks at times counted from the begin of the run, none within shortened gaps. */
export function ticksOf(scale: TimeScale, most: number): Tick[] {
  const step = tickStep(scale.width, most);
  const ticks: Tick[] = [];
  const apart = 0.6 / Math.max(1, most);
  for (const segment of scale.segments) {
    if (segment.isGap) continue;
    const first = Math.ceil((segment.from - scale.origin) / step) * step;
    for (let at = first; scale.origin + at <= segment.to; at += step) {
      const x = placeOf(scale, scale.origin + at);
      const last = ticks[ticks.length - 1];
      if (!last || x - last.x >= apart) ticks.push({ x, label: elapsed(at, step) });
    }
  }
  return ticks;
}

/** A time since the begin as people write it, as exact as the step between ticks needs. */
export function elapsed(ms: number, step: number): string {
  if (ms === 0) return "0";
  if (step >= DAY) return `${Math.round(ms / DAY)} d`;
  const days = Math.floor(ms / DAY);
  const before = days > 0 ? `${days} d ` : "";
  const rest = ms - days * DAY;
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(rest / HOUR);
  const minutes = Math.floor((rest % HOUR) / MINUTE);
  if (step >= MINUTE) return days > 0 || hours > 0 ? `${before}${hours}:${two(minutes)} h` : `${minutes} min`;
  const seconds = (rest % MINUTE) / SECOND;
  const digits = step >= SECOND ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  if (ms < MINUTE) return `${seconds.toFixed(digits)} s`;
  const shown = seconds.toFixed(digits).padStart(digits > 0 ? digits + 3 : 2, "0");
  return hours > 0 || days > 0 ? `${before}${hours}:${two(minutes)}:${shown}` : `${minutes}:${shown}`;
}

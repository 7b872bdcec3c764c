/** Figures, moments and lengths of time as people read them. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NANOS = 1_000_000_000;

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : whole.format(value);
}

/** 1234567 → "1.23 M"; below ten thousand the whole figure. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) < 10_000) return whole.format(value);
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (Math.abs(value) >= size) return `${digits(value / size)} ${unit}`;
  }
  return whole.format(value);
}

/** Three figures that count: 1.23, 12.3, 123. */
export function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** Billionths of a dollar → "$1.23"; with calls of unknown price "≥ $1.23"; null → "–". */
export function money(nanos: number | null | undefined, unpriced = 0): string {
  if (nanos === null || nanos === undefined) return "–";
  if (unpriced > 0 && nanos === 0) return "not priced";
  const usd = nanos / NANOS;
  const size = Math.abs(usd);
  const places = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 3 : size >= 0.0001 ? 5 : 7;
  const text = `$${usd.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places })}`;
  return unpriced > 0 ? `≥ ${text}` : text;
}

/** Seconds → "350 ms", "12.3 s", "4 min 12 s", "3 h 5 min", "2 d 4 h". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds <= 0) return "0 s";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const all = Math.round(seconds);
  if (all < 3600) return pair(Math.floor(all / 60), "min", all % 60, "s");
  if (all < 86_400) return pair(Math.floor(all / 3600), "h", Math.floor((all % 3600) / 60), "min");
  return pair(Math.floor(all / 86_400), "d", Math.floor((all % 86_400) / 3600), "h");
}

function pair(first: number, unit: string, second: number, smaller: string): string {
  return second ? `${first} ${unit} ${second} ${smaller}` : `${first} ${unit}`;
}

/** "just now", "12 s ago", "in 3 min": coarse, because it moves. */
export function ago(moment: string | number, now: number): string {
  const seconds = Math.round((now - millis(moment)) / 1000);
  if (Math.abs(seconds) < 2) return "just now";
  const size = Math.abs(seconds);
  const text = size < 60 ? `${size} s` : duration(coarse(size));
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

function coarse(seconds: number): number {
  if (seconds < 3600) return seconds - (seconds % 60);
  return seconds < 86_400 ? seconds - (seconds % 3600) : seconds - (seconds % 86_400);
}

export function millis(moment: string | number): number {
  return typeof moment === "number" ? moment * 1000 : Date.parse(moment);
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const wholeFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

export function clock(moment: string | number): string {
  return clockFormat.format(millis(moment));
}

/** "14:03:12" today, "24 Nov, 14:03" else. */
export function moment(at: string | number, now: number): string {
  const then = new Date(millis(at));
  if (then.toDateString() === new Date(now).toDateString()) return clockFormat.format(then);
  return `${dayFormat.format(then)}, ${clockFormat.format(then).slice(0, 5)}`;
}

export function wholeMoment(at: string | number): string {
  return wholeFormat.format(millis(at));
}

/** Bytes → "312 B", "1.2 kB", "3.4 MB". */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  return size < 1_000_000 ? `${digits(size / 1000)} kB` : `${digits(size / 1_000_000)} MB`;
}

export function percent(part: number, all: number): string {
  if (all <= 0) return "–";
  const share = (part / all) * 100;
  if (part > 0 && share < 0.1) return "< 0.1 %";
  if (part < all && share > 99.9) return "> 99.9 %";
  return `${share >= 99.95 || share === 0 ? share.toFixed(0) : share.toFixed(1)} %`;
}

export function plural(many: number, one: string, more = `${one}s`): string {
  return `${count(many)} ${many === 1 ? one : more}`;
}

/** Keys: single ones and sequences such as `g b`; whoever is on the page brings its own. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Binding {
  /** `j`, `Enter`, `g b`, `?`, `mod+k` (Ctrl or ⌘). */
  keys: string;
  what: string;
  then: (event: KeyboardEvent) => void;
}

const SEQUENCE_MS = 1200;
const stacks: Binding[][] = [];

/** All that can be pressed now, the page's own first. */
export const bindings = signal<Binding[]>([]);

let begun = "";
let begunAt = 0;

export function useKeys(own: Binding[], depends: readonly unknown[] = []): void {
  useEffect(() => {
    stacks.push(own);
    tell();
    return () => {
      stacks.splice(stacks.indexOf(own), 1);
      tell();
    };
  }, depends);
}

function tell(): void {
  bindings.value = [...stacks].reverse().flat();
}

/** What a key press is called: `mod+k`, `?`, `Enter`. */
export function nameOf(event: Pick<KeyboardEvent, "key" | "metaKey" | "ctrlKey" | "altKey">): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.metaKey || event.ctrlKey) return `mod+${key}`;
  return event.altKey ? `alt+${key}` : key;
}

/** The binding that a press ends, given what was pressed before; and what is begun by it. */
export function resolve(all: readonly Binding[], before: string, name: string): { hit?: Binding; begun: string } {
  const whole = before ? `${before} ${name}` : name;
  for (const wanted of before ? [whole, name] : [name]) {
    const hit = all.find((binding) => binding.keys === wanted);
    if (hit) return { hit, begun: "" };
    if (all.some((binding) => binding.keys.startsWith(`${wanted} `))) return { begun: wanted };
  }
  return { begun: "" };
}

export function listenToKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    if (isTyping(event.target) && !name.startsWith("mod+")) return;
    if (document.querySelector("dialog[open]") && !name.startsWith("mod+")) return;
    const before = event.timeStamp - begunAt < SEQUENCE_MS ? begun : "";
    const found = resolve(bindings.peek(), before, name);
    begun = found.begun;
    begunAt = event.timeStamp;
    if (!found.hit) return;
    if ((name === "Enter" || name === " ") && isPressed(event.target)) return;
    event.preventDefault();
    found.hit.then(event);
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable);
}

function isPressed(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(A|BUTTON|SUMMARY)$/.test(target.tagName);
}

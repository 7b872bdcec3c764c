/** What is told in passing. */
import { signal } from "@preact/signals";
import { Icon } from "./icons";
import { Said } from "./text";

type Kind = "good" | "bad";

const SHOWN_MS = { good: 4000, bad: 12_000 };
const toasts = signal<{ id: number; text: string; kind: Kind }[]>([]);
let last = 0;

export function toast(text: string, kind: Kind = "good"): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { id, text, kind }];
  setTimeout(() => dismiss(id), SHOWN_MS[kind]);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, kind }) => (
        <div key={id} class="toast">
          <span class={`status tone-${kind}`}>
            <Icon name={kind === "good" ? "check" : "alert"} />
            {kind === "good" ? "Done" : "Refused"}
          </span>
          <span class="grow">
            <Said text={text} />
          </span>
          <button type="button" class="link-button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="cross" small />
          </button>
        </div>
      ))}
    </div>
  );
}

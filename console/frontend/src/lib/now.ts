/** The moment, as a signal that moves once a second for whoever looks at it. */
import { signal } from "@preact/signals";

let ticking: ReturnType<typeof setInterval> | undefined;

export const now = signal(Date.now(), {
  watched() {
    now.value = Date.now();
    ticking = setInterval(() => {
      now.value = Date.now();
    }, 1000);
  },
  unwatched() {
    clearInterval(ticking);
  },
});

/** How something stands: always an icon and a word, never a colour alone. */
import { Icon, type IconName } from "./icons";

export type Tone = "good" | "warn" | "bad" | "quiet" | "moving";

const STATES: Record<string, readonly [Tone, IconName, string?]> = {
  running: ["moving", "turning"],
  scheduled: ["quiet", "clock", "waits for a worker"],
  retrying: ["warn", "retry", "tries again"],
  parked: ["warn", "person", "waits for a person"],
  open: ["warn", "person"],
  paused: ["warn", "pause"],
  exhausted: ["bad", "stop"],
  stuck: ["bad", "alert"],
  "held up": ["warn", "alert"],
  failed: ["bad", "cross"],
  timed_out: ["bad", "clock", "timed out"],
  "timed out": ["bad", "clock"],
  terminated: ["bad", "stop"],
  silent: ["bad", "alert"],
  away: ["bad", "alert"],
  parked_delivery: ["bad", "alert", "given up"],
  done: ["good", "check"],
  completed: ["good", "check"],
  finished: ["good", "check"],
  decided: ["good", "check"],
  ok: ["good", "check"],
  current: ["good", "check"],
  serving: ["good", "check"],
  draining: ["warn", "clock"],
  ramping: ["moving", "turning"],
  drained: ["quiet", "check"],
  inactive: ["quiet", "pause"],
  missing: ["quiet", "clock", "not yet"],
  cancelled: ["quiet", "stop"],
  expired: ["quiet", "clock"],
  void: ["quiet", "cross"],
};

export function toneOf(state: string): Tone {
  return STATES[state]?.[0] ?? "quiet";
}

/** Args: `word` replaces the state's own word. */
export function Status({ state, word }: { state: string; word?: string | undefined }) {
  const [tone, icon, said] = STATES[state] ?? (["quiet", "info"] as const);
  return (
    <Mark tone={tone} icon={icon}>
      {word ?? said ?? state.replaceAll("_", " ")}
    </Mark>
  );
}

export function Mark(props: { tone: Tone; icon: IconName; children: preact.ComponentChildren }) {
  return (
    <span class={`status tone-${props.tone}`}>
      <Icon name={props.icon} turning={props.icon === "turning"} />
      {props.children}
    </span>
  );
}

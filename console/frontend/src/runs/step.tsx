/** How one entry of a run looks in a line: its icon, its name, how it stands. */
import { toneOf } from "../ui/status";
import { Icon, type IconName } from "../ui/icons";
import type { Row } from "./types";

const ICONS: Record<string, IconName> = {
  model_call: "model",
  tool_call: "tool",
  activity: "bolt",
  wait: "person",
  timer: "clock",
  message: "message",
  child: "branch",
};

export const KIND_WORDS: Record<string, string> = {
  model_call: "Model calls",
  tool_call: "Tool calls",
  activity: "Activities",
  wait: "Questions",
  timer: "Timers",
  message: "Messages",
  child: "Runs of others",
};

const ONE: Record<string, string> = {
  model_call: "Model call",
  tool_call: "Tool call",
  activity: "Activity",
  wait: "Question to a person",
  timer: "Timer",
  message: "Message",
  child: "Run of another",
};

export function kindWord(kind: string): string {
  return ONE[kind] ?? kind.replaceAll("_", " ");
}

export function iconOf(kind: string): IconName {
  return ICONS[kind] ?? "info";
}

/** What is before the name of an effect that a plan makes, as an activity. */
const EFFECT = /^effect__/;

export function nameOf(row: Pick<Row, "kind" | "name" | "model">): string {
  return row.kind === "model_call" ? row.model || "model" : row.name.replace(EFFECT, "");
}

export function KindIcon({ row }: { row: Row }) {
  return (
    <span class={`kind tone-ink-${toneOf(row.state)}`} title={`${kindWord(row.kind)}: ${row.state.replaceAll("_", " ")}`}>
      <Icon name={iconOf(row.kind)} small />
    </span>
  );
}

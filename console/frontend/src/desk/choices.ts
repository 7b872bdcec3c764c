/** What can be decided of a hand-off, and what has to be given with each choice. */
import type { HandOffView } from "../api/types";

export type Tone = "main" | "plain" | "danger";

/** What goes with a choice: nothing, a value by a schema, the call's arguments, a cap, or the name of a model. */
export type Gives =
  | { kind: "nothing" }
  | { kind: "args"; args: Record<string, unknown>; schema: unknown }
  | { kind: "value"; schema: unknown; isRequired: boolean; label: string }
  | { kind: "cap"; suggested: string }
  | { kind: "model"; models: string[] };

export interface Choosing {
  choice: string;
  label: string;
  /** What happens then, in a sentence. */
  effect: string;
  tone: Tone;
  gives: Gives;
  /** What the field for a note is called. */
  note: string;
}

export const KINDS: Record<string, string> = {
  approval: "Approval",
  question: "Question",
  unknown: "Unknown outcome",
  tool_failed: "Tool failed",
  halted: "Model refuses",
  budget: "Budget used up",
  plan_failed: "Plan failed",
};

const WORDS: Record<string, [label: string, effect: string]> = {
  approve: ["Approve", "The call is made."],
  deny: ["Deny", "The call is not made, and the agent is told why."],
  answer: ["Answer", "The run goes on with your answer."],
  tell: ["No answer", "The agent is told, and may go another way."],
  retry: ["Try again", "The call is made again."],
  done: ["It happened", "The call counts as made; it is not made again."],
  raise: ["Raise the cap", "Everything that waits for this budget goes on."],
  finish: ["Come to an end", "The agent ends with what it has: at most three more short calls, without tools."],
  model: ["Another model", "The rest of the run uses that model."],
  go_on: ["Go on", "It goes on all the same."],
  skip: ["Leave it out", "It goes on without this one."],
  undo: ["Undo", "What was done is taken back, the latest first."],
  leave: ["Leave it", "What was done stays as it is."],
  stop: ["Stop the run", "The run ends here."],
};

const PAST: Record<string, string> = { approve: "Approved", deny: "Denied", answer: "Answered" };

/** Returns how it is said that a choice was made. */
export function pastOf(choice: string): string {
  return PAST[choice] ?? WORDS[choice]?.[0] ?? choice;
}

const TELL: Record<string, [label: string, effect: string]> = {
  question: ["There is no answer", "The agent is told so, and may go another way."],
  unknown: ["It failed", "The call counts as failed, and the agent is told."],
  tool_failed: ["Report the failure", "The agent is told that the call failed, and may go another way."],
};

const DANGERS = new Set(["stop", "undo"]);
const HAPPENED_NOT = "It did not happen, or may happen twice: the call is made again.";

/** Returns what can be chosen, the usual choice first. */
export function choosings(handOff: HandOffView): Choosing[] {
  return handOff.choices.map((choice, at) => {
    const [label, effect] = wordsOf(handOff, choice);
    const tone: Tone = DANGERS.has(choice) ? "danger" : at === 0 ? "main" : "plain";
    return { choice, label, effect, tone, gives: givesOf(handOff, choice), note: noteOf(choice) };
  });
}

function wordsOf(handOff: HandOffView, choice: string): [string, string] {
  if (choice === "tell") return TELL[handOff.kind] ?? WORDS["tell"] ?? ["Tell", ""];
  if (choice === "retry" && handOff.kind === "unknown") return ["It did not happen", HAPPENED_NOT];
  const known = WORDS[choice];
  if (known) return known;
  const words = choice.replace(/[_-]+/g, " ");
  return [words.charAt(0).toUpperCase() + words.slice(1), ""];
}

function givesOf({ about, kind }: HandOffView, choice: string): Gives {
  const args = isRecord(about["args"]) ? about["args"] : null;
  if (choice === "approve" && args !== null && "schema" in about) return { kind: "args", args, schema: about["schema"] };
  if (choice === "answer") return { kind: "value", schema: about["schema"] ?? null, isRequired: true, label: "Answer" };
  if (choice === "done") return { kind: "value", schema: null, isRequired: false, label: "What it returned, if that matters" };
  if (choice === "raise") return { kind: "cap", suggested: textOf(about["suggested"]) };
  if (choice === "model") return { kind: "model", models: textsOf(about["models"]) };
  const isPlans = kind === "question" && isRecord(about["schema"]);
  if (isPlans && choice !== "tell" && choice !== "stop") {
    return { kind: "value", schema: about["schema"], isRequired: false, label: "Value" };
  }
  return { kind: "nothing" };
}

function noteOf(choice: string): string {
  return choice === "deny" || choice === "tell" ? "Why; the agent reads it" : "A note for the record";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

/** Returns what is left of `about` for a reader once the parts that have a place of their own are taken out. */
export function remaining(about: Record<string, unknown>): Record<string, unknown> {
  const { tool: _tool, args: _args, schema: _schema, ...rest } = about;
  return rest;
}

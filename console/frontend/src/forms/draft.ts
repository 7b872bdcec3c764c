import type { Field } from "./schema";

/** What has been typed into a field: texts stay as they were typed until they are read. */
export type Draft =
  | { kind: "absent" }
  | { kind: "null" }
  | { kind: "raw"; text: string }
  | { kind: "switch"; isOn: boolean }
  | { kind: "choice"; index: number }
  | { kind: "list"; items: Draft[] }
  | { kind: "group"; members: Record<string, Draft> }
  | { kind: "variants"; index: number; inner: Draft };

export interface Fault {
  /** Names and numbers from the outermost field to this one. */
  path: readonly (string | number)[];
  message: string;
}

/** Nothing was given: what is required must be filled in, what is not is left out. */
export const ABSENT: Draft = { kind: "absent" };
/** Null was given. */
export const NULL: Draft = { kind: "null" };

/** Returns the draft that shows a value; without one what a new form begins with. */
export function draftOf(field: Field, value?: unknown): Draft {
  const given = value === undefined ? field.preset : value;
  if (given === undefined) return emptyOf(field);
  if (given === null && field.kind !== "json") return field.isNullable ? NULL : emptyOf(field);
  switch (field.kind) {
    case "text":
      return { kind: "raw", text: typeof given === "string" ? given : JSON.stringify(given) };
    case "number":
      return { kind: "raw", text: String(given) };
    case "json":
      return { kind: "raw", text: JSON.stringify(given, null, 2) };
    case "switch":
      return { kind: "switch", isOn: given === true };
    case "choice":
      return { kind: "choice", index: field.options.findIndex((one) => isEqual(one.value, given)) };
    case "list":
      return { kind: "list", items: Array.isArray(given) ? given.map((one) => draftOf(field.item, one)) : [] };
    case "group":
      return groupDraft(field, given);
    case "variants": {
      const index = Math.max(0, field.variants.findIndex((one) => takes(one, given)));
      const variant = field.variants[index];
      return variant ? { kind: "variants", index, inner: draftOf(variant, given) } : ABSENT;
    }
  }
}

function groupDraft(field: Field & { kind: "group" }, given: unknown): Draft {
  const values = isRecord(given) ? given : {};
  const members = Object.create(null) as Record<string, Draft>; // a member may be called __proto__
  for (const member of field.members) {
    const value = Object.hasOwn(values, member.name) ? values[member.name] : undefined;
    const isLeftOut = value === undefined && !member.isRequired && member.field.preset === undefined;
    members[member.name] = isLeftOut ? ABSENT : draftOf(member.field, value);
  }
  return { kind: "group", members };
}

/** Returns the draft of a field that somebody is about to fill in. */
export function emptyOf(field: Field): Draft {
  switch (field.kind) {
    case "text":
    case "number":
      return { kind: "raw", text: "" };
    case "json":
      return { kind: "raw", text: field.isNullable ? "null" : "" };
    case "switch":
      return { kind: "switch", isOn: false };
    case "choice":
      return { kind: "choice", index: field.options.length === 1 ? 0 : -1 };
    case "list":
      return { kind: "list", items: Array.from({ length: field.least }, () => draftOf(field.item)) };
    case "group":
      return groupDraft(field, {});
    case "variants": {
      const first = field.variants[0];
      return first ? { kind: "variants", index: 0, inner: draftOf(first) } : ABSENT;
    }
  }
}

/** Returns the value that was typed, and what is wrong with it. `value` is only good where there are no faults. */
export function valueOf(field: Field, draft: Draft): { value: unknown; faults: Fault[] } {
  const faults: Fault[] = [];
  const value = read(field, draft, [], faults);
  return { value, faults };
}

type Path = readonly (string | number)[];

function read(field: Field, draft: Draft, path: Path, faults: Fault[]): unknown {
  const wrong = (message: string): undefined => {
    faults.push({ path, message });
    return undefined;
  };
  if (draft.kind === "absent" || draft.kind === "null") return field.isNullable ? null : wrong("Fill this in.");
  switch (field.kind) {
    case "text":
      return readText(field, rawOf(draft), wrong);
    case "number":
      return readNumber(field, rawOf(draft), wrong);
    case "json":
      return readJson(rawOf(draft), wrong);
    case "switch":
      return draft.kind === "switch" && draft.isOn;
    case "choice": {
      const chosen = draft.kind === "choice" ? field.options[draft.index] : undefined;
      return chosen ? chosen.value : wrong("Choose one.");
    }
    case "list":
      return readList(field, draft, path, faults, wrong);
    case "group":
      return readGroup(field, draft, path, faults);
    case "variants": {
      const variant = draft.kind === "variants" ? field.variants[draft.index] : undefined;
      return variant && draft.kind === "variants" ? read(variant, draft.inner, path, faults) : wrong("Choose one.");
    }
  }
}

function rawOf(draft: Draft): string {
  return draft.kind === "raw" ? draft.text : "";
}

type Wrong = (message: string) => undefined;

function readText(field: Field & { kind: "text" }, text: string, wrong: Wrong): unknown {
  const length = [...text].length;
  if (length < field.minLength) return wrong(length === 0 ? "Fill this in." : `Give ${field.minLength} characters or more.`);
  if (field.maxLength !== null && length > field.maxLength) return wrong(`Give ${field.maxLength} characters at most.`);
  return text;
}

function readNumber(field: Field & { kind: "number" }, text: string, wrong: Wrong): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return wrong("Give a number.");
  const value = Number(trimmed);
  if (!Number.isFinite(value)) return wrong(`${trimmed} is no number.`);
  if (field.isInteger && !Number.isInteger(value)) return wrong("Give a whole number.");
  if (field.min !== null && (value < field.min || (field.isOpen.min && value === field.min))) {
    return wrong(field.isOpen.min ? `Give more than ${field.min}.` : `Give ${field.min} or more.`);
  }
  if (field.max !== null && (value > field.max || (field.isOpen.max && value === field.max))) {
    return wrong(field.isOpen.max ? `Give less than ${field.max}.` : `Give ${field.max} at most.`);
  }
  return value;
}

function readJson(text: string, wrong: Wrong): unknown {
  if (text.trim() === "") return wrong("Give a JSON value.");
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    return wrong(`This is no JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function readList(field: Field & { kind: "list" }, draft: Draft, path: Path, faults: Fault[], wrong: Wrong): unknown {
  const items = draft.kind === "list" ? draft.items : [];
  if (items.length < field.least) return wrong(`Give ${field.least} or more.`);
  if (field.most !== null && items.length > field.most) return wrong(`Give ${field.most} at most.`);
  return items.map((item, at) => read(field.item, item, [...path, at], faults));
}

function readGroup(field: Field & { kind: "group" }, draft: Draft, path: Path, faults: Fault[]): unknown {
  const value: Record<string, unknown> = {};
  for (const { name, field: inner, isRequired } of field.members) {
    const given = (draft.kind === "group" ? draft.members[name] : undefined) ?? ABSENT;
    if (given.kind === "absent" && !isRequired) continue;
    if (!isRequired && !inner.isNullable && isBlank(inner, given)) continue;
    Object.defineProperty(value, name, {
      value: read(inner, given, [...path, name], faults),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return value;
}

/** Whether an optional field was left empty, which is not the same as an empty text that its schema allows. */
function isBlank(field: Field, draft: Draft): boolean {
  if (field.kind === "choice") return draft.kind === "choice" && draft.index < 0;
  const isTyped = field.kind === "number" || field.kind === "json" || (field.kind === "text" && field.minLength > 0);
  return isTyped && draft.kind === "raw" && draft.text.trim() === "";
}

function takes(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case "text":
      return typeof value === "string";
    case "number":
      return typeof value === "number";
    case "switch":
      return typeof value === "boolean";
    case "choice":
      return field.options.some((one) => isEqual(one.value, value));
    case "list":
      return Array.isArray(value);
    case "group":
      return isRecord(value) && field.members.every((one) => !one.isRequired || Object.hasOwn(value, one.name));
    default:
      return true;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEqual(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

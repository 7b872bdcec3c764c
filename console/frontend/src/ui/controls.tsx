/** What is pressed and filled in. */
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { asProblem } from "../api/client";
import type { Problem, Role } from "../api/types";
import { may } from "../lib/session";
import { Icon, type IconName } from "./icons";
import { toast } from "./toast";

export type Look = "plain" | "primary" | "danger" | "bare";

interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  look?: Look;
  large?: boolean;
  /** Said to screen readers, where there is only an icon. */
  label?: string;
  type?: "button" | "submit";
  disabled?: boolean;
  /** What one must be allowed to do; without it the button is off and says why. */
  needs?: Role;
  onClick?: (event: MouseEvent) => void;
}

export function Button(props: ButtonProps) {
  const allowed = !props.needs || may(props.needs);
  const own = ["button", props.look ?? "plain", props.large && "large", props.label && !props.children && "square"];
  return (
    <button
      type={props.type ?? "button"}
      class={own.filter(Boolean).join(" ")}
      disabled={props.disabled || !allowed}
      aria-label={props.label}
      title={allowed ? props.label : `Your sign-in may not do this: it needs the role “${props.needs}”`}
      onClick={props.onClick}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}

export interface Action {
  isBusy: boolean;
  problem: Problem | undefined;
  run: () => Promise<boolean>;
  clear: () => void;
}

/** What was filled in does not fit, and its fields say why: nothing was sent. */
export class Misfit extends Error {}

/** Something that is asked of the server: once at a time, its refusal kept, its success told. */
export function useAction(act: () => Promise<unknown>, done?: string): Action {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const busy = useRef(false);
  const run = async () => {
    if (busy.current) return false;
    busy.current = true;
    setBusy(true);
    setProblem(undefined);
    try {
      await act();
      if (done) toast(done);
      return true;
    } catch (error) {
      setProblem(asProblem(error));
      return false;
    } finally {
      busy.current = false;
      setBusy(false);
    }
  };
  return { isBusy, problem, run, clear: () => setProblem(undefined) };
}

/** A button that asks the server; what it refuses is told in a toast. */
export function ActionButton(props: ButtonProps & { act: () => Promise<unknown>; done?: string }) {
  const { act, done, ...button } = props;
  const [isBusy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    try {
      await act();
      if (done) toast(done);
    } catch (error) {
      toast(asProblem(error).detail, "bad");
    } finally {
      setBusy(false);
    }
  };
  return <Button {...button} disabled={isBusy || button.disabled === true} onClick={press} />;
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  misfit?: string | undefined;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: "true" }) => ComponentChildren;
}

/** A label, what is filled in, a hint, and what does not fit. */
export function Field({ label, hint, misfit, children }: FieldProps) {
  const id = useId();
  const about = `${id}-about`;
  const more = hint || misfit ? { "aria-describedby": about } : {};
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...more, ...(misfit ? { "aria-invalid": "true" as const } : {}) })}
      {(hint || misfit) && (
        <div id={about}>
          {hint && <p class="hint">{hint}</p>}
          {misfit && <p class="misfit">{misfit}</p>}
        </div>
      )}
    </div>
  );
}

interface TextFieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  misfit?: string | undefined;
  type?: "text" | "password" | "number" | "date";
  placeholder?: string;
  autoFocus?: boolean;
  autoComplete?: string;
  rows?: number;
}

/** A field for text; with `rows` one of many lines. */
export function TextField(props: TextFieldProps) {
  const { label, hint, misfit, value, onInput, rows, ...rest } = props;
  return (
    <Field label={label} hint={hint} misfit={misfit}>
      {(ids) =>
        rows ? (
          <textarea
            {...ids}
            class="textarea"
            rows={rows}
            value={value}
            placeholder={rest.placeholder}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        ) : (
          <input
            {...ids}
            class="input"
            type={(rest.type ?? "text") as "text"}
            value={value}
            placeholder={rest.placeholder}
            autoFocus={rest.autoFocus}
            autocomplete={rest.autoComplete ?? "off"}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        )
      }
    </Field>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

/** A choice among few, without a label that is seen: for filters. */
export function Select({ label, value, options, onChange }: SelectProps) {
  return (
    <select
      class="select"
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {options.map(([key, word]) => (
        <option key={key} value={key}>
          {word}
        </option>
      ))}
    </select>
  );
}

const TYPING_MS = 250;

/** A search that tells what is typed, when typing pauses. `/` leads to it. */
export function Search(props: { label: string; value: string; onSearch: (text: string) => void }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        class="input"
        type="search"
        data-search
        aria-label={props.label}
        placeholder={props.label}
        defaultValue={props.value}
        onInput={(event) => {
          const text = event.currentTarget.value;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => props.onSearch(text.trim()), TYPING_MS);
        }}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
    </div>
  );
}

interface ChoicesProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, ComponentChildren])[];
  onChange: (value: T) => void;
}

/** A few words of which one holds. */
export function Choices<T extends string>({ label, value, options, onChange }: ChoicesProps<T>) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map(([key, word]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => onChange(key)}>
          {word}
        </button>
      ))}
    </div>
  );
}

/** Tabs that are addresses. */
export function Tabs(props: { label: string; tabs: readonly { href: string; word: ComponentChildren; isOpen: boolean }[] }) {
  return (
    <nav class="tabs" aria-label={props.label}>
      {props.tabs.map((tab) => (
        <a key={tab.href} href={tab.href} aria-current={tab.isOpen ? "page" : undefined}>
          {tab.word}
        </a>
      ))}
    </nav>
  );
}

interface CopyProps {
  text: string;
  label?: string;
  word?: string;
  icon?: IconName;
}

/** Puts something on the clipboard. */
export function Copy({ text, label = "Copy", word, icon = "copy" }: CopyProps) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied");
    } catch {
      toast("The browser does not let pages copy here. Select the text instead.", "bad");
    }
  };
  return (
    <button type="button" class={`button bare${word ? "" : " square"}`} aria-label={label} title={label} onClick={copy}>
      <Icon name={icon} small />
      {word}
    </button>
  );
}

/** Copies the whole address of a place in these pages. */
export function CopyLink({ href, label = "Copy link" }: { href?: string; label?: string }) {
  return <Copy text={new URL(href ?? location.href, location.href).href} label={label} icon="link" />;
}

/** A command to type, with a way to copy it. */
export function Command({ text }: { text: string }) {
  return (
    <span class="command">
      <code>{text}</code>
      <Copy text={text} label="Copy the command" />
    </span>
  );
}

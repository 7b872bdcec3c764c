/** A form for values of a JSON schema; whoever prefers JSON writes JSON. */
import { useId, useState } from "preact/hooks";
import { Button, Choices, Field as Labelled, TextField } from "../ui/controls";
import { SafeText } from "../ui/text";
import { ABSENT, type Draft, draftOf, emptyOf, type Fault, NULL, valueOf } from "./draft";
import { type Field, fieldOf, type Member } from "./schema";

export interface SchemaForm {
  field: Field;
  draft: Draft;
  /** Null while it is filled in, its text while it is written as JSON. */
  json: string | null;
  set: (draft: Draft) => void;
  setJson: (json: string | null) => void;
  /** The value, or what is wrong; faults are shown from then on. */
  read: () => { value: unknown; faults: readonly Fault[] };
  faults: readonly Fault[];
}

/** Args: `initial` is what it shows at first; without it, what the schema presets. */
export function useSchemaForm(schema: unknown, initial?: unknown): SchemaForm {
  const [field] = useState(() => fieldOf(schema));
  const [draft, set] = useState(() => draftOf(field, initial));
  const [json, setJson] = useState<string | null>(null);
  const [isShown, show] = useState(false);
  const evaluate = () => (json === null ? valueOf(field, draft) : valueOf(ANY, { kind: "raw", text: json }));
  return {
    field,
    draft,
    json,
    set,
    setJson: (text) => {
      if (json !== null && text === null) {
        const { value, faults } = valueOf(ANY, { kind: "raw", text: json });
        if (faults.length > 0) return show(true);
        set(draftOf(field, value));
      }
      setJson(text);
    },
    read: () => {
      show(true);
      return evaluate();
    },
    faults: isShown ? evaluate().faults : [],
  };
}

const ANY = fieldOf(null);

export function SchemaFields({ form, label }: { form: SchemaForm; label: string }) {
  const isPlain = form.field.kind === "json";
  const asJson = () => JSON.stringify(valueOf(form.field, form.draft).value ?? null, null, 2);
  return (
    <fieldset class="schema-form">
      <legend class="unseen">{label}</legend>
      {!isPlain && (
        <Choices
          label="How it is written"
          value={form.json === null ? "form" : "json"}
          options={[
            ["form", "Form"],
            ["json", "JSON"],
          ]}
          onChange={(to) => form.setJson(to === "json" ? (form.json ?? asJson()) : null)}
        />
      )}
      {form.json === null ? (
        <FieldView
          field={form.field}
          draft={form.draft}
          label={form.field.title || label}
          isTop
          path=""
          faults={form.faults}
          onChange={form.set}
        />
      ) : (
        <TextField label={`${label} as JSON`} rows={8} value={form.json} onInput={form.setJson} misfit={form.faults[0]?.message} />
      )}
    </fieldset>
  );
}

interface FieldProps {
  field: Field;
  draft: Draft;
  label: string;
  path: string;
  faults: readonly Fault[];
  onChange: (draft: Draft) => void;
  isTop?: boolean;
  /** Whether it can be left out. */
  isOptional?: boolean;
}

function keyOf(path: readonly (string | number)[]): string {
  return path.map((part) => `/${part}`).join("");
}

function FieldView(props: FieldProps) {
  const { field, draft, onChange, isOptional = false } = props;
  const misfit = props.faults.find((fault) => keyOf(fault.path) === props.path)?.message;
  const canBeAbsent = isOptional || field.isNullable;
  const isLarge = field.kind === "group" || field.kind === "list" || field.kind === "variants";
  if ((draft.kind === "absent" || draft.kind === "null") && (isLarge || field.kind === "switch")) {
    return (
      <div class="field">
        <span class="label">{props.label}</span>
        <span>
          <Button onClick={() => onChange(emptyOf(field))}>Give it</Button> <Hint field={field} />
        </span>
        {misfit && <p class="misfit">{misfit}</p>}
      </div>
    );
  }
  const leaveOut = canBeAbsent && isLarge && (
    <button type="button" class="link-button" onClick={() => onChange(field.isNullable ? NULL : ABSENT)}>
      Leave it out
    </button>
  );
  switch (field.kind) {
    case "group":
      return <GroupView {...props} field={field} side={leaveOut} />;
    case "list":
      return <ListView {...props} field={field} side={leaveOut} misfit={misfit} />;
    case "variants":
      return <VariantsView {...props} field={field} side={leaveOut} />;
    case "switch":
      return <SwitchView {...props} />;
    case "choice":
      return <ChoiceView {...props} field={field} misfit={misfit} />;
    default:
      return <PlainView {...props} misfit={misfit} />;
  }
}

function Hint({ field }: { field: Field }) {
  return field.help ? (
    <span class="hint small soft">
      <SafeText text={field.help} />
    </span>
  ) : null;
}

function labelled(props: FieldProps): string {
  return props.isOptional || props.field.isNullable ? `${props.label} (optional)` : props.label;
}

function PlainView(props: FieldProps & { misfit: string | undefined }) {
  const { field, draft, onChange, misfit } = props;
  const text = draft.kind === "raw" ? draft.text : "";
  const isEmptiable = props.isOptional || field.isNullable;
  const write = (to: string) => {
    const isOut = to === "" && isEmptiable;
    onChange(isOut ? (field.isNullable ? NULL : ABSENT) : { kind: "raw", text: to });
  };
  const rows = field.kind === "json" || (field.kind === "text" && field.isLong) ? 4 : undefined;
  const hint = field.help ? <SafeText text={field.help} /> : field.kind === "json" ? "JSON" : undefined;
  if (rows) return <TextField label={labelled(props)} value={text} onInput={write} rows={rows} hint={hint} misfit={misfit} />;
  return (
    <Labelled label={labelled(props)} hint={hint} misfit={misfit}>
      {(ids) => (
        <input
          {...ids}
          class="input"
          type={(field.kind === "text" ? field.input : "text") as "text"}
          inputMode={field.kind === "number" ? (field.isInteger ? "numeric" : "decimal") : undefined}
          autocomplete="off"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

function SwitchView(props: FieldProps) {
  const id = useId();
  const { draft, field, onChange } = props;
  return (
    <div class="field switch">
      <label class="row" for={id}>
        <input
          id={id}
          type="checkbox"
          checked={draft.kind === "switch" && draft.isOn}
          onChange={(event) => onChange({ kind: "switch", isOn: event.currentTarget.checked })}
        />
        {props.label}
      </label>
      <Hint field={field} />
    </div>
  );
}

function ChoiceView(props: FieldProps & { field: Field & { kind: "choice" }; misfit: string | undefined }) {
  const { field, draft, onChange } = props;
  const out = props.isOptional || field.isNullable;
  return (
    <Labelled label={labelled(props)} hint={field.help ? <SafeText text={field.help} /> : undefined} misfit={props.misfit}>
      {(ids) => (
        <select
          {...ids}
          class="select"
          value={draft.kind === "choice" ? String(draft.index) : "-1"}
          onChange={(event) => {
            const index = Number(event.currentTarget.value);
            const none = field.isNullable ? NULL : ABSENT;
            onChange(index < 0 && out ? none : { kind: "choice", index });
          }}
        >
          <option value="-1">{out ? "–" : "Choose…"}</option>
          {field.options.map((option, at) => (
            <option key={option.label} value={String(at)}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

type Side = { side: preact.ComponentChildren };

function GroupView(props: FieldProps & Side & { field: Field & { kind: "group" } }) {
  const { field, draft, onChange } = props;
  const members = draft.kind === "group" ? draft.members : {};
  const change = (member: Member, to: Draft) => onChange({ kind: "group", members: { ...members, [member.name]: to } });
  const inside = field.members.map((member) => (
    <FieldView
      key={member.name}
      field={member.field}
      draft={members[member.name] ?? ABSENT}
      label={member.field.title || member.name}
      path={`${props.path}/${member.name}`}
      faults={props.faults}
      isOptional={!member.isRequired}
      onChange={(to) => change(member, to)}
    />
  ));
  if (props.isTop) return <div class="stack">{inside.length > 0 ? inside : <p class="soft">It takes nothing.</p>}</div>;
  return (
    <fieldset class="group">
      <legend>
        {labelled(props)} {props.side}
      </legend>
      <Hint field={field} />
      {inside}
    </fieldset>
  );
}

function ListView(props: FieldProps & Side & { field: Field & { kind: "list" }; misfit: string | undefined }) {
  const { field, draft, onChange } = props;
  const items = draft.kind === "list" ? draft.items : [];
  const put = (to: Draft[]) => onChange({ kind: "list", items: to });
  return (
    <fieldset class="group">
      <legend>
        {labelled(props)} {props.side}
      </legend>
      <Hint field={field} />
      {items.map((item, at) => (
        <div class="item" key={at}>
          <FieldView
            field={field.item}
            draft={item}
            label={`${field.item.title || props.label} ${at + 1}`}
            path={`${props.path}/${at}`}
            faults={props.faults}
            onChange={(to) => put(items.map((one, place) => (place === at ? to : one)))}
          />
          <Button icon="cross" look="bare" label="Take it out" onClick={() => put(items.filter((_, place) => place !== at))} />
        </div>
      ))}
      <span>
        <Button onClick={() => put([...items, draftOf(field.item)])}>Add one</Button>
      </span>
      {props.misfit && <p class="misfit small">{props.misfit}</p>}
    </fieldset>
  );
}

function VariantsView(props: FieldProps & Side & { field: Field & { kind: "variants" } }) {
  const { field, draft, onChange } = props;
  const index = draft.kind === "variants" ? draft.index : 0;
  const variant = field.variants[index];
  const choose = (to: number) => {
    const next = field.variants[to];
    if (next) onChange({ kind: "variants", index: to, inner: draftOf(next) });
  };
  return (
    <fieldset class="group">
      <legend>
        {labelled(props)} {props.side}
      </legend>
      <Hint field={field} />
      <Choices
        label="Form"
        value={String(index)}
        options={field.variants.map((one, at) => [String(at), one.title || one.kind] as const)}
        onChange={(to) => choose(Number(to))}
      />
      {variant && draft.kind === "variants" && (
        <FieldView
          field={variant}
          draft={draft.inner}
          label={variant.title || props.label}
          path={props.path}
          faults={props.faults}
          onChange={(inner) => onChange({ kind: "variants", index, inner })}
        />
      )}
    </fieldset>
  );
}

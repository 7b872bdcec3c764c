/** What can be decided of a hand-off: a button for each choice, then what goes with it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { apiPath, asProblem, post, UNREACHED } from "../api/client";
import type { HandOffView, Problem } from "../api/types";
import { SchemaFields, useSchemaForm } from "../forms/form";
import { Button, TextField } from "../ui/controls";
import { ProblemView } from "../ui/states";
import { toast } from "../ui/toast";
import { type Choosing, choosings, type Gives } from "./choices";
import { NameField, useName } from "./name";

interface DecidingProps {
  handOff: HandOffView;
  /** Called with the hand-off as it is then. */
  onDecided: (decided: HandOffView) => void;
  /** Called when it may be another one by now. */
  onStale: () => void;
}

export function Deciding(props: DecidingProps) {
  const all = choosings(props.handOff);
  const [chosen, choose] = useState<string | null>(null);
  const open = all.find((one) => one.choice === chosen);
  const group = useRef<HTMLDivElement>(null);
  const before = useRef(chosen);
  useEffect(() => {
    if (before.current !== null && chosen === null) group.current?.querySelector("button")?.focus();
    before.current = chosen;
  }, [chosen]);
  if (open) return <Giving key={open.choice} {...props} choosing={open} onBack={() => choose(null)} />;
  return (
    <div ref={group} class="deciding" role="group" aria-label="Decide">
      {all.map((one) => (
        <Button
          key={one.choice}
          large
          needs="decide"
          look={one.tone === "main" ? "primary" : one.tone}
          onClick={() => choose(one.choice)}
        >
          {one.label}
        </Button>
      ))}
    </div>
  );
}

type GivingProps = DecidingProps & { choosing: Choosing; onBack: () => void };

/** Reads what goes with a choice; `ok` is false while something is missing, and its field says what. */
type Read = () => { ok: boolean; value?: unknown };

function Giving({ handOff, choosing, onBack, onDecided, onStale }: GivingProps) {
  const name = useName();
  const [note, write] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setBusy] = useState(false);
  const [isNameMissing, missName] = useState(false);
  const decisionId = useRef(crypto.randomUUID());
  const read = useRef<Read>(() => ({ ok: true }));
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.focus({ preventScroll: true }), []); // the button that was pressed is gone
  const isTheirs = handOff.claimed_by !== null && handOff.claimed_by !== name.value;
  const send = async () => {
    const given = read.current();
    missName(!name.isGiven);
    if (!given.ok || !name.isGiven) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    if (isBusy) return;
    name.remember();
    setBusy(true);
    const body = { choice: choosing.choice, by: name.value, note, force: isTheirs, decision_id: decisionId.current };
    const whole = given.value === undefined ? body : { ...body, value: given.value };
    try {
      onDecided(await post<HandOffView>(apiPath(["hand-offs", handOff.id, "decision"]), whole));
      toast(`Decided: ${choosing.label}. The run goes on.`);
    } catch (error) {
      const found = asProblem(error);
      setProblem(found); // the id stays: sent again, it is the same decision
      if (found.status === 409) onStale();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      ref={form}
      tabIndex={-1}
      class="deciding open"
      aria-label={choosing.label}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div class="inputs">
        <p>
          <strong>{choosing.label}. </strong>
          {choosing.effect}
        </p>
        {isTheirs && <p class="small">{handOff.claimed_by} has claimed it: your decision goes before theirs.</p>}
        <Giver gives={choosing.gives} read={read} />
        <TextField label={`${choosing.note} (optional)`} value={note} onInput={write} rows={2} />
        <NameField name={name} isMissing={isNameMissing} />
        {problem && <ProblemView problem={problem} />}
        {(problem?.status === UNREACHED || problem?.status === 503) && (
          <p class="small soft">It may have arrived all the same. Sent again, it is the same decision.</p>
        )}
      </div>
      <div class="buttons">
        <Button large onClick={onBack} disabled={isBusy}>
          Back
        </Button>
        <Button large type="submit" needs="decide" look={choosing.tone === "danger" ? "danger" : "primary"} disabled={isBusy}>
          {isBusy ? "Sending…" : choosing.label}
        </Button>
      </div>
    </form>
  );
}

type Reading = { read: { current: Read } };

function Giver({ gives, read }: { gives: Gives } & Reading) {
  switch (gives.kind) {
    case "nothing":
      return null;
    case "args":
      return <Arguments gives={gives} read={read} />;
    case "value":
      return gives.schema ? <BySchema gives={gives} read={read} /> : <Anything gives={gives} read={read} />;
    case "cap":
      return <Cap suggested={gives.suggested} read={read} />;
    case "model":
      return <Model models={gives.models} read={read} />;
  }
}

function Arguments({ gives, read }: { gives: Gives & { kind: "args" } } & Reading) {
  const [isEdited, edit] = useState(false);
  const form = useSchemaForm(gives.schema, gives.args);
  const fields = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isEdited) fields.current?.querySelector<HTMLElement>("input, textarea, select")?.focus();
  }, [isEdited]);
  read.current = () => {
    if (!isEdited) return { ok: true };
    const { value, faults } = form.read();
    return { ok: faults.length === 0, value };
  };
  if (!isEdited) {
    return (
      <p>
        The call is made with the arguments shown.{" "}
        <button type="button" class="link-button" onClick={() => edit(true)}>
          Make it with others
        </button>
      </p>
    );
  }
  return (
    <div ref={fields} class="stack">
      <SchemaFields form={form} label="Arguments" />
      <button type="button" class="link-button" onClick={() => edit(false)}>
        Leave them as they were
      </button>
    </div>
  );
}

function BySchema({ gives, read }: { gives: Gives & { kind: "value" } } & Reading) {
  const form = useSchemaForm(gives.schema);
  read.current = () => {
    const { value, faults } = form.read();
    return { ok: faults.length === 0, value };
  };
  return <SchemaFields form={form} label={gives.label} />;
}

/** Text is the answer as it stands; whoever means JSON says so. */
function Anything({ gives, read }: { gives: Gives & { kind: "value" } } & Reading) {
  const [text, write] = useState("");
  const [isJson, asJson] = useState(!gives.isRequired);
  const [misfit, setMisfit] = useState<string>();
  read.current = () => {
    if (text.trim() === "") {
      setMisfit(gives.isRequired ? "Fill this in." : undefined);
      return { ok: !gives.isRequired };
    }
    if (!isJson) return { ok: true, value: text };
    try {
      return { ok: true, value: JSON.parse(text) as unknown };
    } catch {
      setMisfit("This is no JSON. A text stands in quotes.");
      return { ok: false };
    }
  };
  return (
    <>
      <TextField label={gives.label} value={text} onInput={write} rows={3} misfit={misfit} />
      <label class="row small">
        <input type="checkbox" checked={isJson} onChange={(event) => asJson(event.currentTarget.checked)} />
        It is JSON
      </label>
    </>
  );
}

function Cap({ suggested, read }: { suggested: string } & Reading) {
  const [cap, write] = useState(suggested);
  const [misfit, setMisfit] = useState<string>();
  read.current = () => {
    setMisfit(cap.trim() === "" ? "Give a cap." : undefined);
    return { ok: cap.trim() !== "", value: cap.trim() };
  };
  return <TextField label="The new cap" value={cap} onInput={write} misfit={misfit} hint="Such as 2usd, 50000tokens or 100calls." />;
}

function Model({ models, read }: { models: string[] } & Reading) {
  const [model, write] = useState(models[0] ?? "");
  const [misfit, setMisfit] = useState<string>();
  read.current = () => {
    setMisfit(model.trim() === "" ? "Name a model." : undefined);
    return { ok: model.trim() !== "", value: model.trim() };
  };
  const hint = models.length > 0 ? `What is left would pay for ${models.join(", ")}.` : "Such as openai:gpt-5-nano.";
  return <TextField label="Model" value={model} onInput={write} misfit={misfit} hint={hint} />;
}

/** The forms that start something. */
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { apiPath, post, runPath } from "../api/client";
import type { AppView, RunView } from "../api/types";
import { SchemaFields, useSchemaForm } from "../forms/form";
import { navigate, pageOf, place, setQuery } from "../lib/router";
import { useTwin } from "../live/twin";
import { Composer } from "../runs/composer";
import { useRun } from "../runs/feed";
import { Talk } from "../runs/talk";
import { CLOSED } from "../runs/types";
import { Button, Choices, Misfit, TextField, useAction } from "../ui/controls";
import { Card } from "../ui/page";
import { ProblemView, SkeletonRows } from "../ui/states";
import { Status } from "../ui/status";
import { SafeText } from "../ui/text";
import { documentsOf } from "./documents";

interface Started {
  id: string;
  is_new: boolean;
  url: string;
}

/** Fields that nearly nobody fills in, out of the way. */
function Further({ children }: { children: ComponentChildren }) {
  return (
    <details class="further">
      <summary>Further settings</summary>
      <div class="stack">{children}</div>
    </details>
  );
}

interface FrameProps {
  title: string;
  about?: ComponentChildren;
  word: string;
  action: ReturnType<typeof useAction>;
  isReady?: boolean;
  children: ComponentChildren;
}

function Frame({ title, about, word, action, isReady = true, children }: FrameProps) {
  return (
    <Card title={title}>
      {about && <p class="soft">{about}</p>}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void action.run();
        }}
      >
        {children}
        {action.problem && <ProblemView problem={action.problem} />}
        <div class="row">
          <Button type="submit" look="primary" icon="play" needs="operate" disabled={action.isBusy || !isReady}>
            {action.isBusy ? "Starting…" : word}
          </Button>
        </div>
      </form>
    </Card>
  );
}

/** A header under which a start that is sent again is the same start. */
function useStartId() {
  const id = useRef(crypto.randomUUID().slice(0, 8));
  return { value: id.current, renew: () => (id.current = crypto.randomUUID().slice(0, 8)) };
}

/** Leaves out what was not filled in. */
function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined));
}

export function AgentForm({ agent, about }: { agent: AppView["agents"][number]; about: ComponentChildren }) {
  const talk = place.value.query.get("talk");
  const [isChat, chat] = useState(true);
  const [prompt, write] = useState("");
  const [id, setId] = useState("");
  const [model, setModel] = useState("");
  const [budget, setBudget] = useState("");
  const [tenant, setTenant] = useState("");
  const deps = useSchemaForm(agent.deps_schema);
  const made = useStartId();
  const action = useAction(async () => {
    const hasDeps = agent.deps_schema !== null && agent.deps_schema !== undefined;
    const read = hasDeps ? deps.read() : { value: undefined, faults: [] };
    if (read.faults.length > 0) throw new Misfit("The dependencies do not fit: see above.");
    const body = given({ id: id || made.value, prompt, conversation: isChat, deps: read.value, model, budget, tenant });
    const started = await post<Started>(apiPath(["runs", "agent", agent.name]), body);
    made.renew();
    write("");
    if (isChat) setQuery({ talk: started.id }, { replace: false });
    else navigate(pageOf(started.id));
  });
  if (talk?.startsWith(`agent/${agent.name}/`)) return <Chat key={talk} id={talk} />;
  return (
    <Frame
      title={agent.name}
      about={about}
      word={isChat ? "Begin the chat" : "Start the run"}
      action={action}
      isReady={isChat || prompt.trim() !== ""}
    >
      <Choices
        label="What is started"
        value={isChat ? "chat" : "run"}
        options={[
          ["chat", "Chat"],
          ["run", "One run"],
        ]}
        onChange={(to) => chat(to === "chat")}
      />
      <TextField label={isChat ? "First message (optional)" : "What it is asked"} value={prompt} onInput={write} rows={4} />
      {agent.deps_schema !== null && agent.deps_schema !== undefined && <SchemaFields form={deps} label="Dependencies" />}
      <Further>
        <TextField label="Id" value={id} onInput={setId} hint="Yours; the same id with the same request is the same run." />
        <TextField label="Model" value={model} onInput={setModel} hint="In place of the agent's own." />
        <TextField label="Budget" value={budget} onInput={setBudget} hint="The most that it may spend, such as 0.50usd." />
        <TextField label="Tenant" value={tenant} onInput={setTenant} hint="On whose behalf it spends." />
      </Further>
    </Frame>
  );
}

/** A conversation, beside what can be started. */
function Chat({ id }: { id: string }) {
  const feed = useRun(id);
  void feed.revision.value;
  const head = feed.store.head;
  const run = useTwin<RunView>(runPath(id), null, 5);
  const last = head?.turns.at(-1);
  const isWorking = last !== undefined && last.ended_at === null;
  return (
    <Card
      title="Chat"
      side={
        <span class="row">
          {head && <Status state={head.state} />}
          <a href={pageOf(id)}>
            <SafeText text={id} />
          </a>
          <Button onClick={() => setQuery({ talk: null })}>Begin another</Button>
        </span>
      }
    >
      {feed.problem.value && <ProblemView problem={feed.problem.value} />}
      {head ? <Talk feed={feed} isKeptAtEnd /> : <SkeletonRows rows={3} />}
      {head && !CLOSED.has(head.state) && run.data.value && (
        <Composer run={run.data.value} isWorking={isWorking} onSent={() => void run.reload()} />
      )}
    </Card>
  );
}

export function PlanForm({ plan, about }: { plan: AppView["plans"][number]; about: ComponentChildren }) {
  const takesInput = plan.input_schema !== null && plan.input_schema !== undefined;
  const input = useSchemaForm(plan.input_schema);
  const [id, setId] = useState("");
  const [isShadow, rehearse] = useState(false);
  const made = useStartId();
  const action = useAction(async () => {
    const read = takesInput ? input.read() : { value: undefined, faults: [] };
    if (read.faults.length > 0) throw new Misfit("The input does not fit: see above.");
    const body = given({ id: id || made.value, input: read.value, shadow: isShadow });
    const started = await post<Started>(apiPath(["runs", "plan", plan.name]), body);
    made.renew();
    navigate(pageOf(started.id));
  });
  return (
    <Frame title={plan.name} about={about} word={isShadow ? "Rehearse the plan" : "Start the plan"} action={action}>
      {takesInput ? <SchemaFields form={input} label="Input" /> : <p class="soft">It takes no input.</p>}
      <label class="row">
        <input type="checkbox" checked={isShadow} onChange={(event) => rehearse(event.currentTarget.checked)} />
        Rehearse it: effects are recorded, and not made
      </label>
      <Further>
        <TextField label="Id" value={id} onInput={setId} hint="Yours; the same id with the same request is the same run." />
      </Further>
    </Frame>
  );
}

export function BatchForm({ batch }: { batch: AppView["batches"][number] }) {
  const [instruction, instruct] = useState("");
  const [documents, write] = useState("");
  const [source, setSource] = useState("");
  const [id, setId] = useState("");
  const [model, setModel] = useState("");
  const [budget, setBudget] = useState("");
  const [concurrency, setConcurrency] = useState("");
  const found = documentsOf(documents);
  const action = useAction(async () => {
    const body = given({
      id,
      function: batch.name,
      instruction,
      documents: source.trim() === "" ? found : undefined,
      source: source.trim(),
      model,
      budget,
      concurrency: concurrency.trim() === "" ? undefined : Number(concurrency),
    });
    const started = await post<Started>(apiPath(["batches"]), body);
    navigate(pageOf(started.id));
  });
  return (
    <Frame title={batch.name} word="Start the batch" action={action} isReady={found.length > 0 || source.trim() !== ""}>
      <TextField
        label="Instruction"
        value={instruction}
        onInput={instruct}
        rows={3}
        placeholder={batch.instruction ?? ""}
        hint={batch.instruction ? "Left empty, the function's own is taken." : undefined}
      />
      <TextField
        label="Documents"
        value={documents}
        onInput={write}
        rows={6}
        hint={`One in a line: an http(s) address, or the text itself. ${found.length} so far.`}
      />
      <Further>
        <TextField label="Source" value={source} onInput={setSource} hint="In place of documents: an address, or a file inside of OUTLIVE_API_SOURCES." />
        <TextField label="Id" value={id} onInput={setId} hint="Left out, it is made from documents and recipe." />
        <TextField label="Model" value={model} onInput={setModel} />
        <TextField label="Budget" value={budget} onInput={setBudget} hint="Such as 25usd or 100calls." />
        <TextField label="Documents in flight" value={concurrency} onInput={setConcurrency} type="number" />
      </Further>
    </Frame>
  );
}

/** Try what the app has: a form from its types, a run of it, a chat with it. */
import { apiPath } from "../api/client";
import type { AppView } from "../api/types";
import { useTwin } from "../live/twin";
import { AgentForm, BatchForm, PlanForm } from "../playground/forms";
import type { PageProps } from "../routes";
import { Icon, type IconName } from "../ui/icons";
import { Page } from "../ui/page";
import { Empty, With } from "../ui/states";
import { SafeText } from "../ui/text";

interface Thing {
  kind: "agent" | "plan" | "batch";
  name: string;
  about: string;
}

const ICONS: Record<Thing["kind"], IconName> = { agent: "message", plan: "runs", batch: "batches" };
const HEADS: Record<Thing["kind"], string> = { agent: "Agents", plan: "Plans", batch: "Batch functions" };

export default function Playground({ params }: PageProps) {
  const twin = useTwin<AppView>(apiPath(["app"]));
  return (
    <Page title="Playground" about="Start what this app has, with what its types ask for.">
      <With twin={twin}>
        {(app) => {
          const things = thingsOf(app);
          const chosen = things.find((one) => one.kind === params["kind"] && one.name === params["name"]) ?? things[0];
          return chosen ? (
            <div class="playground">
              <Things things={things} chosen={chosen} />
              <Form key={`${chosen.kind}/${chosen.name}`} app={app} chosen={chosen} />
            </div>
          ) : (
            <Empty icon="playground" title="The app has nothing to start" command="outlive init">
              Declare an agent, a plan or a batch function in your <code>app.py</code>; this writes one to begin with:
            </Empty>
          );
        }}
      </With>
    </Page>
  );
}

function thingsOf(app: AppView): Thing[] {
  return [
    ...app.agents.map((one) => ({ kind: "agent" as const, name: one.name, about: one.description ?? "" })),
    ...app.plans.map((one) => ({ kind: "plan" as const, name: one.name, about: one.summary })),
    ...app.batches.map((one) => ({ kind: "batch" as const, name: one.name, about: one.instruction ?? "" })),
  ];
}

function Things({ things, chosen }: { things: readonly Thing[]; chosen: Thing }) {
  const kinds = [...new Set(things.map((one) => one.kind))];
  return (
    <nav class="things" aria-label="What can be started">
      {!kinds.includes("agent") && (
        <p class="small soft">
          The app has no agent: <code>outlive init</code> writes one.
        </p>
      )}
      {kinds.map((kind) => (
        <div key={kind} class="stack tight">
          <h2 class="small soft">{HEADS[kind]}</h2>
          <div class="nav">
            {things
              .filter((one) => one.kind === kind)
              .map((one) => (
                <a
                  key={one.name}
                  href={`/playground/${kind}/${encodeURIComponent(one.name)}`}
                  aria-current={one === chosen ? "page" : undefined}
                >
                  <Icon name={ICONS[kind]} />
                  <span class="cut">
                    <SafeText text={one.name} />
                  </span>
                </a>
              ))}
          </div>
        </div>
      ))}
    </nav>
  );
}

function Form({ app, chosen }: { app: AppView; chosen: Thing }) {
  const about = chosen.about ? <SafeText text={chosen.about} block /> : null;
  if (chosen.kind === "agent") {
    const agent = app.agents.find((one) => one.name === chosen.name);
    return agent ? <AgentForm agent={agent} about={about} /> : null;
  }
  if (chosen.kind === "plan") {
    const plan = app.plans.find((one) => one.name === chosen.name);
    return plan ? <PlanForm plan={plan} about={about} /> : null;
  }
  const batch = app.batches.find((one) => one.name === chosen.name);
  return batch ? <BatchForm batch={batch} /> : null;
}

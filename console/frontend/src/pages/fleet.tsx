/** What does the work: engine, workers, versions, queues, and deliveries that failed. */
import { post } from "../api/client";
import type { Delivery, Deployment, Fleet, Worker } from "../api/types";
import { count, duration, plural } from "../lib/format";
import { useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { ActionButton, Command } from "../ui/controls";
import { Facts, Progress, Stat } from "../ui/figures";
import { Icon } from "../ui/icons";
import { Card, Page } from "../ui/page";
import { Empty, SkeletonRows, With } from "../ui/states";
import { Status } from "../ui/status";
import { type Column, Table } from "../ui/table";
import { Ago, Line, Moment, SafeText } from "../ui/text";

export default function FleetPage(_: PageProps) {
  const twin = useTwin<Fleet>("/v1/fleet", "fleet");
  return (
    <Page title="Fleet" about="What does the work. Any of it may die: the rest goes on, and what was in its hands is begun again elsewhere.">
      <With twin={twin} loading={<Card><SkeletonRows rows={10} /></Card>}>
        {(fleet) => <Content fleet={fleet} reload={twin.reload} />}
      </With>
    </Page>
  );
}

function Content({ fleet, reload }: { fleet: Fleet; reload: () => Promise<void> }) {
  return (
    <>
      <Gauges fleet={fleet} />
      <Card title="Workers" isFlush>
        {fleet.workers.length ? (
          <Table label="Workers" columns={WORKERS} rows={fleet.workers} keyOf={(one) => one.identity + one.task_queue} hasKeys />
        ) : (
          <Empty icon="fleet" title="No worker is heard" command="outlive worker MODULE:APP">
            Nothing goes on without one. <code>outlive up</code> starts workers beside the engine.
          </Empty>
        )}
      </Card>
      <div class="grid two">
        <Card title="Queues" isFlush>
          <Table label="Queues" columns={QUEUES} rows={fleet.queues} keyOf={(queue) => queue.name} />
        </Card>
        <Card title="Versions">
          {fleet.deployments.length ? (
            <div class="stack">
              {fleet.deployments.map((one) => (
                <Versions key={one.name} deployment={one} />
              ))}
            </div>
          ) : (
            <p class="soft">
              Workers of <code>outlive up</code> have none: a change of the code replaces them at once. A worker that serves
              one version of it: <code>OUTLIVE_VERSIONING=true outlive worker MODULE:APP</code>
            </p>
          )}
        </Card>
      </div>
      <Deliveries fleet={fleet} reload={reload} />
    </>
  );
}

function Gauges({ fleet }: { fleet: Fleet }) {
  const { engine, workers, queues } = fleet;
  const heard = workers.filter((one) => one.state === "running");
  const used = heard.reduce((all, one) => all + one.used_slots, 0);
  const free = heard.reduce((all, one) => all + one.free_slots, 0);
  const silent = workers.filter((one) => one.state === "silent").length;
  const backlog = queues.reduce((all, queue) => all + queue.backlog, 0);
  return (
    <Card>
      <div class="grid stats">
        <Stat
          name="Engine"
          value={<Status state={engine.state} word={engine.state === "ok" ? "answers" : "away"} />}
          more={
            engine.away_since ? (
              <>
                since <Moment at={engine.away_since} />
              </>
            ) : (
              [engine.version && `Temporal ${engine.version}`, engine.address].filter(Boolean).join(" at ")
            )
          }
        />
        <Stat name="Workers" value={count(heard.length)} more={silent ? <Status state="silent" word={`${silent} more silent`} /> : "all are heard"} />
        <Stat name="Activities in hand" value={count(used)} more={`${count(free)} more would be taken`} />
        <Stat name="Backlog" value={count(backlog)} more={backlog ? "tasks that no worker has taken yet" : "nothing waits"} />
        <Stat
          name="Notifications given up"
          value={count(fleet.deliveries.parked)}
          more={`${count(fleet.deliveries.delivered)} delivered, ${count(fleet.deliveries.waiting)} on their way`}
        />
      </div>
    </Card>
  );
}

const WORKERS: readonly Column<Worker>[] = [
  { head: "Worker", kind: "wide", cell: (one) => <Line text={one.identity} /> },
  { head: "State", cell: (one) => <Status state={one.state} /> },
  { head: "App", isExtra: true, cell: (one) => <Line text={[one.app, one.build].filter(Boolean).join(" · ")} /> },
  { head: "Queue", isExtra: true, cell: (one) => <Line text={one.task_queue} /> },
  {
    head: "In hand",
    cell: (one) => one.state !== "running" ? "–" : (
      <span class="row table-progress">
        <Progress all={one.used_slots + one.free_slots} parts={[{ name: "in hand", many: one.used_slots, tone: "accent" }]} />
        <span class="num">{count(one.used_slots)}</span>
      </span>
    ),
  },
  { head: "Heard", kind: "right", cell: (one) => <Ago at={one.heard_at} /> },
];

const QUEUES: readonly Column<Fleet["queues"][number]>[] = [
  { head: "Queue", kind: "wide", cell: (queue) => <Line text={queue.name} /> },
  { head: "Pollers", kind: "right", cell: (queue) => count(queue.pollers) },
  { head: "Backlog", kind: "right", cell: (queue) => count(queue.backlog) },
  { head: "Oldest", kind: "right", cell: (queue) => duration(queue.oldest_seconds) },
];

function Versions({ deployment }: { deployment: Deployment }) {
  return (
    <div class="stack tight">
      <h3>
        <SafeText text={deployment.name} />
      </h3>
      <ul class="stack tight">
        {deployment.versions.map((version) => (
          <li key={version.build} class="row wrap">
            <code>
              <SafeText text={version.build} />
            </code>
            <Status state={version.build === deployment.current ? "current" : version.state.toLowerCase()} />
            <span class="soft small">
              made <Ago at={version.created_at} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Deliveries({ fleet, reload }: { fleet: Fleet; reload: () => Promise<void> }) {
  const { parked } = fleet;
  const again = (numbers: number[] | null) => async () => {
    await post("/v1/deliveries/redeliver", { numbers });
    await reload();
  };
  if (!parked.length) {
    return (
      <Card title="Notifications that failed">
        <p class="soft row">
          <Icon name="check" /> None. What a receiver refuses is tried again for days, then shown here.
        </p>
      </Card>
    );
  }
  return (
    <Card
      title="Notifications that failed"
      side={
        <ActionButton icon="retry" needs="operate" act={again(null)} done="They are sent again.">
          Send all again
        </ActionButton>
      }
    >
      <ul class="stack">
        {parked.map((one) => (
          <li key={one.number} class="framed stack tight">
            <div class="row apart wrap">
              <strong>
                <SafeText text={one.occurrence} /> of <SafeText text={one.workflow_id} />
              </strong>
              <ActionButton needs="operate" act={again([one.number])} done="It is sent again.">
                Send again
              </ActionButton>
            </div>
            <Facts facts={factsOf(one)} />
          </li>
        ))}
      </ul>
      <p class="soft small">
        On the command line: <Command text="outlive deliveries redeliver --all" />
      </p>
    </Card>
  );
}

function factsOf(one: Delivery): [string, preact.ComponentChildren][] {
  return [
    ["To", <SafeText text={one.target} />],
    ["Said", <SafeText text={one.error ?? "nothing"} />],
    ["Tried", <>{plural(one.attempts, "time")}, first <Ago at={one.created_at} /></>],
  ];
}

/** The demo's banner: kill something, and see that nothing is lost. */
import { post } from "../api/client";
import type { Demo, Verdict } from "../api/types";
import { count, plural } from "../lib/format";
import { connection } from "../live/live";
import { useTwin } from "../live/twin";
import { ActionButton } from "./controls";
import { Stat } from "./figures";
import { Icon } from "./icons";
import { Mark } from "./status";

const LOOK_SECONDS = 1;

export function DemoBanner() {
  const twin = useTwin<Demo>("/v1/demo", null, LOOK_SECONDS);
  const demo = twin.data.value;
  if (!demo) return null;
  return demo.verdict ? <TheVerdict verdict={demo.verdict} /> : <Running demo={demo} reload={twin.reload} />;
}

function Running({ demo, reload }: { demo: Demo; reload: () => Promise<void> }) {
  const isAway = connection.value.state === "away";
  const kill = async (worker: number | null) => {
    await post("/v1/demo/kill", { worker });
    await reload();
  };
  const alive = demo.workers.filter((worker) => worker.alive);
  return (
    <section class="card" aria-label="Demo">
      <div class="card-head">
        <div class="stack tight grow">
          <h2>This is the demo: kill something, and see that the batch finishes all the same</h2>
          <p class="soft">
            {plural(demo.kills, "process was", "processes were")} killed with -9 so far. Counters may freeze for a few
            seconds; then they go on, and nothing is done or paid twice.
          </p>
        </div>
        <div class="actions">
          <ActionButton
            icon="bolt"
            look="primary"
            needs="operate"
            disabled={alive.length === 0}
            act={() => kill(alive[demo.kills % alive.length]?.index ?? 0)}
            done="Killed a worker with -9"
          >
            Kill a worker
          </ActionButton>
          <ActionButton icon="bolt" needs="operate" act={() => kill(null)} done="Killed the engine with -9">
            Kill the engine
          </ActionButton>
        </div>
      </div>
      <div class="row wrap">
        {demo.workers.map((worker) => (
          <Mark key={worker.index} tone={worker.alive ? "good" : "bad"} icon={worker.alive ? "check" : "retry"}>
            Worker {worker.index + 1}: {worker.alive ? `process ${worker.pid}` : "dead, starts again"}
            {worker.restarts ? `, started again ${plural(worker.restarts, "time")}` : ""}
          </Mark>
        ))}
        <Mark tone={isAway ? "bad" : "good"} icon={isAway ? "retry" : "check"}>
          Engine: {isAway ? "dead, starts again" : "answers"}
        </Mark>
      </div>
    </section>
  );
}

function TheVerdict({ verdict }: { verdict: Verdict }) {
  const { done, total, failed, lost, done_twice: twice } = verdict;
  return (
    <section class={verdict.holds ? "card edge-good" : "card edge-bad"} aria-label="Verdict of the demo">
      <div class="card-head">
        <h2 class="row">
          <Icon name={verdict.holds ? "check" : "alert"} />
          {verdict.holds ? "It held: every document done once" : "It did not hold"}
        </h2>
        <span class="soft">{plural(verdict.kills, "process was", "processes were")} killed with -9 on the way</span>
      </div>
      <div class="grid stats">
        <Stat name="Done" value={count(done)} more={`of ${plural(total, "document")}`} />
        <Stat name="Lost" value={count(lost)} more={failed ? `${count(failed)} failed` : "and none failed"} />
        <Stat name="Done twice" value={count(twice)} more="after their outcome was recorded" />
        <Stat name="Begun again" value={count(verdict.begun_again)} more="in flight when something was killed" />
      </div>
      <p class="soft">
        This comes from two books that know nothing of each other: the ledger, and the counters of the server that gave
        out the documents. All that happened is in these pages; have a look around.
      </p>
    </section>
  );
}

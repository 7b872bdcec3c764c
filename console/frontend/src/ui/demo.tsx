/** The demo's banner: kill something, and see that nothing is lost. */
import { post } from "../api/client";
import type { Demo, Verdict } from "../api/types";
import { count, plural } from "../lib/format";
import { place } from "../lib/router";
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
  if (!demo.verdict) return <Running demo={demo} reload={twin.reload} />;
  return WHOLE.test(place.value.path) ? <TheVerdict verdict={demo.verdict} /> : <InShort verdict={demo.verdict} />;
}

const WHOLE = /^\/(batches\/[^/]+)?$/; // home and the batch: elsewhere a line leaves the room to the page

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
            It kills a worker, the engine and the other worker by itself; kill as many more as you like.{" "}
            {plural(demo.kills, "process was", "processes were")} killed with -9 so far. Counters freeze for a few seconds,
            then go on. At the end the books tell whether anything was lost, or done twice.
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
            Worker {worker.index}: {worker.alive ? `process ${worker.pid}` : "dead, starts again"}
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

function InShort({ verdict }: { verdict: Verdict }) {
  return (
    <a class={verdict.holds ? "banner tone-good" : "banner tone-bad"} href="/" aria-label="Verdict of the demo">
      <Icon name={verdict.holds ? "check" : "alert"} />
      <span class="grow">
        <strong>{verdict.holds ? "It held: every document done once." : "It did not hold."}</strong>{" "}
        {plural(verdict.kills, "process was", "processes were")} killed with -9 on the way.
      </span>
      <Icon name="right" small />
    </a>
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
        <Stat name="Begun again" value={count(verdict.begun_again)} more="documents, in flight when something was killed" />
      </div>
      <p class="soft">
        This comes from two books that know nothing of each other: the ledger, and the counters of the server that gave
        out the documents. All that happened is in these pages; have a look around.
      </p>
    </section>
  );
}

/** The demo's banner: kill something, and see that nothing is lost. */
import { post } from "../api/client";
import type { Demo } from "../api/types";
import { plural } from "../lib/format";
import { connection } from "../live/live";
import { useTwin } from "../live/twin";
import { ActionButton } from "./controls";
import { Icon } from "./icons";
import { Mark } from "./status";
import { SafeText } from "./text";

const LOOK_SECONDS = 1;

export function DemoBanner() {
  const twin = useTwin<Demo>("/v1/demo", null, LOOK_SECONDS);
  const demo = twin.data.value;
  if (!demo) return null;
  const isLive = connection.value.state === "live";
  const kill = async (worker: number | null) => {
    await post("/v1/demo/kill", { worker });
    await twin.reload();
  };
  const alive = demo.workers.filter((worker) => worker.alive);
  return (
    <section class="card" aria-label="Demo">
      <div class="card-head">
        <div class="stack tight">
          <h2>{demo.verdict ? "The verdict" : "Kill something. The batch finishes all the same."}</h2>
          <p class="soft">
            {demo.verdict ? (
              <SafeText text={demo.verdict} />
            ) : (
              `${plural(demo.kills, "kill")} so far, with SIGKILL. Counters may freeze for a few seconds; then they go on, and nothing is paid twice.`
            )}
          </p>
        </div>
        <div class="actions">
          <ActionButton
            icon="bolt"
            look="primary"
            needs="operate"
            disabled={alive.length === 0}
            act={() => kill(alive[0]?.index ?? 0)}
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
            {worker.restarts ? `, ${plural(worker.restarts, "restart")}` : ""}
          </Mark>
        ))}
        <Mark tone={isLive ? "good" : "bad"} icon={isLive ? "check" : "retry"}>
          Engine: {isLive ? "answers" : "away"}
        </Mark>
        {demo.verdict && (
          <span class="row soft">
            <Icon name="info" small /> Look around: all that happened is in these pages.
          </span>
        )}
      </div>
    </section>
  );
}

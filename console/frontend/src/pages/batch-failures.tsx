/** What documents failed of, with an example of each cause. */
import { apiPath } from "../api/client";
import type { BatchPage, FailureGroup } from "../api/types";
import { count, percent, plural } from "../lib/format";
import { useTwin } from "../live/twin";
import { Card } from "../ui/page";
import { Empty, With } from "../ui/states";
import { Mark } from "../ui/status";
import { Line, Said, SafeText } from "../ui/text";
import { failedOf, ownOf } from "./batch-parts";

const LOOK_SECONDS = 5;

export function Failures({ batch, base }: { batch: BatchPage; base: string }) {
  const path = apiPath(["batches", batch.id, "failures"]);
  const twin = useTwin<FailureGroup[]>(path, null, batch.state === "running" ? LOOK_SECONDS : undefined);
  return (
    <With twin={twin}>
      {(groups) =>
        groups.length === 0 ? (
          <Card>
            <Empty icon="check" title="Nothing has failed">
              {plural(batch.done, "document")} done so far, and no failure among them.
            </Empty>
          </Card>
        ) : (
          <>
            <p class="soft">
              {plural(failedOf(batch), "document")} of {count(ownOf(batch))} failed,{" "}
              {percent(failedOf(batch), ownOf(batch))}. {batch.state === "running" ? "When the batch has ended they can be done again." : ""}
            </p>
            <div class="grid two">
              {groups.map((group) => (
                <Group key={group.cause} group={group} base={base} />
              ))}
            </div>
          </>
        )
      }
    </With>
  );
}

function Group({ group, base }: { group: FailureGroup; base: string }) {
  const { cause, documents, example } = group;
  return (
    <Card
      title={cause.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase())}
      side={
        <Mark tone="bad" icon="cross">
          {plural(documents, "document")}
        </Mark>
      }
    >
      <p>
        <Said text={group.explanation} />
      </p>
      <div class="quote stack tight">
        <span class="soft small">For example</span>
        <a href={`${base}/documents/${example.position}`} class="cut">
          <Line text={example.uri || `document ${example.position}`} />
        </a>
        {example.reason && (
          <span class="small">
            <SafeText text={example.reason.slice(0, 600)} />
          </span>
        )}
      </div>
      <a href={`${base}/documents?status=failed&cause=${encodeURIComponent(cause)}`}>Show all {count(documents)}</a>
    </Card>
  );
}

/** One batch: how it goes, what failed, its documents, and what one can do about it. */
import type { BatchPage } from "../api/types";
import { apiPath } from "../api/client";
import { count, plural } from "../lib/format";
import { ownProblem, useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Tabs } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Page } from "../ui/page";
import { ProblemView, Skeleton, SkeletonRows } from "../ui/states";
import { Ago, Said, SafeText } from "../ui/text";
import { BatchActions } from "./batch-actions";
import { Documents } from "./batch-documents";
import { Failures } from "./batch-failures";
import { Overview } from "./batch-overview";
import { BatchStatus, failedOf } from "./batch-parts";

export default function OneBatch({ params }: PageProps) {
  const id = params.id ?? "";
  const tab = params.tab ?? "";
  const twin = useTwin<BatchPage>(apiPath(["batches", id]), `batch:${id}`);
  const batch = twin.data.value;
  const problem = ownProblem(twin);
  const base = `/batches/${encodeURIComponent(id)}`;
  return (
    <Page
      title={id}
      up={{ href: "/batches", word: "Batches" }}
      mark={batch && <BatchStatus batch={batch} />}
      about={batch ? <About batch={batch} /> : problem ? undefined : <Skeleton width="20rem" />}
      actions={batch && <BatchActions batch={batch} changed={() => void twin.reload()} />}
    >
      {problem && <ProblemView problem={problem} retry={() => void twin.reload()} />}
      {batch?.problem && (
        <div class="banner tone-warn" role="status">
          <Icon name="alert" />
          <span class="grow">
            {batch.state === "running" && <strong>Held up: </strong>}
            <Said text={batch.problem} />
          </span>
        </div>
      )}
      {batch ? (
        <>
          <Tabs
            label="Parts of the batch"
            tabs={[
              { href: base, word: "Overview", isOpen: tab === "" },
              { href: `${base}/documents`, word: `Documents ${count(batch.documents)}`, isOpen: tab === "documents" },
              { href: `${base}/failures`, word: `Failures ${count(failedOf(batch))}`, isOpen: tab === "failures" },
            ]}
          />
          {tab === "documents" ? (
            <Documents batch={batch} base={base} />
          ) : tab === "failures" ? (
            <Failures batch={batch} base={base} />
          ) : (
            <Overview batch={batch} at={twin.at.value} />
          )}
        </>
      ) : (
        !problem && <SkeletonRows rows={9} />
      )}
    </Page>
  );
}

function About({ batch }: { batch: BatchPage }) {
  return (
    <>
      {plural(batch.documents, "document")} from <SafeText text={batch.source} /> through{" "}
      <SafeText text={batch.model} />, begun <Ago at={batch.created_at} />
      {batch.finished_at && (
        <>
          , ended <Ago at={batch.finished_at} />
        </>
      )}
      {batch.state_reason && !batch.problem && (
        <>
          {" "}
          (<SafeText text={batch.state_reason} />)
        </>
      )}
    </>
  );
}

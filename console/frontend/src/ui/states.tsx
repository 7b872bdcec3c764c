/** What a page shows when it has nothing to show: not yet, not there, or not reached. */
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/types";
import { type Twin, ownProblem } from "../live/twin";
import { UNREACHED } from "../api/client";
import { Button, Command } from "./controls";
import { Icon, type IconName } from "./icons";
import { Said } from "./text";

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
  command?: string;
}

export function Empty({ icon, title, children, command }: EmptyProps) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {command && <Command text={command} />}
    </div>
  );
}

/** Why something could not be shown or done, and what to do. */
export function ProblemView({ problem, retry }: { problem: Problem; retry?: () => void }) {
  return (
    <div class="banner tone-bad" role="alert">
      <Icon name="alert" />
      <span class="grow">
        <strong>{titleOf(problem)}. </strong>
        <Said text={problem.detail} />
        {problem.errors && problem.errors.length > 3 && <span> ({problem.errors.length} places)</span>}
      </span>
      {retry && (
        <Button icon="retry" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

function titleOf(problem: Problem): string {
  if (problem.status === UNREACHED) return "Not reached";
  if (problem.status === 404) return "Not there";
  if (problem.status === 401) return "Not let in";
  if (problem.status === 403) return "Not allowed";
  if (problem.status === 409) return "Not now";
  if (problem.status === 422) return "It does not fit";
  return problem.title || "Refused";
}

export function Skeleton({ height = "1em", width = "100%" }: { height?: string; width?: string }) {
  return <span class="skeleton" style={{ height, width }} aria-hidden="true" />;
}

/** Rows that are not there yet, in the size of those that will be. */
export function SkeletonRows({ rows = 6 }: { rows?: number }) {
  return (
    <div class="stack tight" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height="1.75rem" width={`${96 - ((row * 17) % 30)}%`} />
      ))}
    </div>
  );
}

interface WithProps<T> {
  twin: Twin<T>;
  loading?: ComponentChildren;
  children: (data: T) => ComponentChildren;
}

/** What a twin shows: skeletons before the first answer, the refusal above what was last known. */
export function With<T>({ twin, loading, children }: WithProps<T>) {
  const data = twin.data.value;
  const problem = ownProblem(twin);
  return (
    <>
      {problem && <ProblemView problem={problem} retry={() => void twin.reload()} />}
      {data !== undefined ? children(data) : !problem && (loading ?? <SkeletonRows />)}
    </>
  );
}

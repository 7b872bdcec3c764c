/** What can be done to a batch. */
import { useState } from "preact/hooks";
import { apiPath, post } from "../api/client";
import type { BatchPage } from "../api/types";
import { count, plural } from "../lib/format";
import { ActionButton, Button, TextField, useAction } from "../ui/controls";
import { Ask, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { AskBudget } from "./budget";
import { failedOf } from "./batch-parts";

type Open = "concurrency" | "budget" | "retry" | "cancel" | "download" | null;

interface Props {
  batch: BatchPage;
  changed: () => void;
}

export function BatchActions({ batch, changed }: Props) {
  const [open, setOpen] = useState<Open>(null);
  const shut = () => setOpen(null);
  const path = (verb: string) => apiPath(["batches", batch.id, verb]);
  const act = (verb: string) => async () => {
    await post(path(verb));
    changed();
  };
  const failed = failedOf(batch);
  const isOver = batch.state === "finished" || batch.state === "cancelled";
  return (
    <>
      {batch.state === "running" && (
        <ActionButton icon="pause" needs="operate" act={act("pause")} done="Paused. Workers hear of it within a second or two, and finish what they have begun.">
          Pause
        </ActionButton>
      )}
      {(batch.state === "paused" || batch.state === "cancelled") && (
        <ActionButton icon="play" look="primary" needs="operate" act={act("resume")} done="It goes on.">
          Resume
        </ActionButton>
      )}
      {isOver && failed > 0 && (
        <Button icon="retry" needs="operate" onClick={() => setOpen("retry")}>
          Retry {count(failed)} failed
        </Button>
      )}
      {!isOver && (
        <Button needs="operate" onClick={() => setOpen("concurrency")}>
          Concurrency {count(batch.concurrency)}
        </Button>
      )}
      <Button icon="money" needs="operate" onClick={() => setOpen("budget")}>
        Budget
      </Button>
      <Button icon="download" onClick={() => setOpen("download")}>
        Download
      </Button>
      {!isOver && (
        <Button icon="stop" look="danger" needs="operate" onClick={() => setOpen("cancel")}>
          Cancel
        </Button>
      )}
      {open === "concurrency" && <AskConcurrency batch={batch} onClose={shut} changed={changed} path={path("concurrency")} />}
      {open === "budget" && (
        <AskBudget title={`What ${batch.id} may spend`} path={path("budget")} onClose={shut} changed={changed} />
      )}
      {open === "retry" && <AskRetry failed={failed} act={act("retry")} onClose={shut} />}
      {open === "cancel" && <AskCancel act={act("cancel")} onClose={shut} />}
      {open === "download" && <Downloads id={batch.id} onClose={shut} />}
    </>
  );
}

function AskConcurrency({ batch, path, onClose, changed }: Props & { path: string; onClose: () => void }) {
  const [text, setText] = useState(String(batch.concurrency));
  const wanted = Number(text);
  const fits = Number.isInteger(wanted) && wanted >= 1;
  const action = useAction(async () => {
    await post(path, { documents: wanted });
    changed();
  }, "Changed. The workers see it within a second.");
  return (
    <Ask title="Documents in flight" word="Change" action={action} onClose={onClose} isReady={fits}>
      <TextField
        label="Documents at once, over all workers"
        type="number"
        value={text}
        onInput={setText}
        autoFocus
        misfit={fits ? undefined : "A whole number of at least 1."}
        hint="More is faster until the model's provider slows you down."
      />
    </Ask>
  );
}

function AskRetry({ failed, act, onClose }: { failed: number; act: () => Promise<void>; onClose: () => void }) {
  const action = useAction(act, "The failed documents are done again.");
  return (
    <Ask title="Retry what failed" word={`Retry ${plural(failed, "document")}`} action={action} onClose={onClose}>
      <p>{plural(failed, "document")} will be done again, and paid again. What is done already is not touched.</p>
    </Ask>
  );
}

function AskCancel({ act, onClose }: { act: () => Promise<void>; onClose: () => void }) {
  const action = useAction(act, "Cancelled.");
  return (
    <Ask title="Cancel the batch" word="Cancel it" action={action} onClose={onClose} isDangerous>
      <p>It ends after the documents in flight. What is done stays, and resuming goes on where it stopped.</p>
    </Ask>
  );
}

const FORMATS = [
  ["jsonl", "JSON Lines", "One JSON object a line: the whole result"],
  ["csv", "CSV", "For spreadsheets"],
  ["parquet", "Parquet", "For pandas, DuckDB, Spark"],
] as const;

function Downloads({ id, onClose }: { id: string; onClose: () => void }) {
  return (
    <Dialog title="Download the results so far" onClose={onClose}>
      <p class="small soft">
        One row for each document, in the order of the source; those that are not yet done are “missing” in the files.
      </p>
      <ul class="lines">
        {FORMATS.map(([format, name, said]) => (
          <li key={format}>
            <a class="line" href={apiPath(["batches", id, "download"], { format })} download onClick={onClose}>
              <Icon name="download" />
              <span class="grow stack none">
                <strong>{name}</strong>
                <span class="soft small">{said}</span>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

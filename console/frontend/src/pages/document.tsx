/** One document: what it says, beside what became of it. */
import type { ComponentChildren } from "preact";
import { apiPath } from "../api/client";
import type { BatchView, DocumentDetail } from "../api/types";
import { count, duration, plural } from "../lib/format";
import { useKeys } from "../lib/keys";
import { navigate } from "../lib/router";
import { useTwin } from "../live/twin";
import type { PageProps } from "../routes";
import { Button, Copy, CopyLink } from "../ui/controls";
import { Facts } from "../ui/figures";
import { JsonView, ValueView } from "../ui/json";
import { Card, Page } from "../ui/page";
import { SkeletonRows, With } from "../ui/states";
import { Status } from "../ui/status";
import { Moment, Money, SafeText } from "../ui/text";

export default function DocumentPage({ params }: PageProps) {
  const id = params.id ?? "";
  const position = Number(params.position);
  const batch = useTwin<BatchView>(apiPath(["batches", id])).data.value;
  const twin = useTwin<DocumentDetail>(apiPath(["batches", id, "documents", position]));
  const base = `/batches/${encodeURIComponent(id)}/documents`;
  const last = batch ? batch.documents - 1 : position;
  const go = (to: number) => to >= 0 && to <= last && navigate(`${base}/${to}`);
  useKeys(
    [
      { keys: "j", what: "Next document", then: () => go(position + 1) },
      { keys: "k", what: "Document before", then: () => go(position - 1) },
    ],
    [position, last],
  );
  const document = twin.data.value;
  return (
    <Page
      title={`Document ${count(position)}`}
      up={{ href: base, word: id }}
      mark={document && <Status state={document.status ?? "missing"} />}
      about={document && <SafeText text={document.uri} />}
      actions={
        <>
          <CopyLink />
          <Button icon="left" disabled={position <= 0} onClick={() => go(position - 1)}>
            Before
          </Button>
          <Button icon="right" disabled={position >= last} onClick={() => go(position + 1)}>
            Next
          </Button>
        </>
      }
    >
      <With twin={twin} loading={<Beside left={<SkeletonRows rows={12} />} right={<SkeletonRows rows={12} />} />}>
        {(data) => (
          <>
            <Beside left={<Said document={data} />} right={<Became document={data} />} />
            <Details document={data} base={base} />
          </>
        )}
      </With>
    </Page>
  );
}

function Beside({ left, right }: { left: ComponentChildren; right: ComponentChildren }) {
  return (
    <div class="grid two">
      <Card title="What it says">{left}</Card>
      <Card title="What became of it">{right}</Card>
    </div>
  );
}

function Said({ document: { source } }: { document: DocumentDetail }) {
  return (
    <>
      {source.note && (
        <p class="soft small">
          <SafeText text={source.note} />
        </p>
      )}
      {source.text === null ? (
        !source.note && <p class="soft">Its text cannot be shown.</p>
      ) : (
        <div class="prose" tabIndex={0} role="region" aria-label="Text of the document">
          <SafeText text={source.text} block />
        </div>
      )}
      {source.is_cut && <p class="soft small">This is its beginning; the whole is longer than 200,000 characters.</p>}
    </>
  );
}

function Became({ document }: { document: DocumentDetail }) {
  if (document.status === "failed") {
    return (
      <div class="stack tight">
        <p>
          <strong>{document.cause?.replaceAll("_", " ")}</strong>
        </p>
        <p>
          <SafeText text={document.reason ?? "It failed without a reason."} block />
        </p>
      </div>
    );
  }
  if (document.status === null) {
    return (
      <p class="soft">
        {document.times_begun ? "It is being worked on, or will be begun again." : "It has not been begun yet."}
      </p>
    );
  }
  return (
    <>
      <div class="prose" tabIndex={0} role="region" aria-label="Result">
        <ValueView value={document.result} />
      </div>
      <div>
        <Copy
          text={typeof document.result === "string" ? document.result : JSON.stringify(document.result, null, 2)}
          label="Copy the result"
          word="Copy"
        />
      </div>
    </>
  );
}

function Details({ document, base }: { document: DocumentDetail; base: string }) {
  const facts: [string, ComponentChildren][] = [
    ["Model", document.model ? <SafeText text={document.model} /> : "–"],
    ["Time", duration(document.seconds)],
    ["Cost", <Money nanos={document.usd_nanos} />],
    ["Recorded", <Moment at={document.recorded_at} />],
    ["Begun", plural(document.times_begun, "time")],
  ];
  if (document.duplicate_of !== null) {
    const same = document.duplicate_of;
    facts.push(["Same as", <a href={`${base}/${same}`}>document {count(same)}, whose result it shares</a>]);
  }
  return (
    <div class="grid two">
      <Card title="How">
        <Facts facts={facts} />
      </Card>
      {Object.keys(document.fields).length > 0 && (
        <Card title="Fields of the source">
          <JsonView value={document.fields} />
        </Card>
      )}
    </div>
  );
}

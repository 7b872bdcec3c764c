/** Values of entries: at once what is short, the rest on demand. */
import { useState } from "preact/hooks";
import { asProblem } from "../api/client";
import type { Problem } from "../api/types";
import { bytes } from "../lib/format";
import { Copy } from "../ui/controls";
import { ValueView } from "../ui/json";
import { ProblemView, Skeleton } from "../ui/states";
import { SafeText } from "../ui/text";
import { valueOf } from "./entries";
import type { Value } from "./types";

interface ValueBlockProps {
  /** Workflow id of the run that it is a value of. */
  owner: string;
  name: string;
  value: Value | null | undefined;
}

export function ValueBlock({ owner, name, value }: ValueBlockProps) {
  const [whole, take] = useState<Value | null>(null);
  const [problem, setProblem] = useState<Problem>();
  if (!value) return null;
  const shown = whole?.ref === value.ref ? whole : value;
  const read = () => valueOf(owner, value.ref).then(take, (error) => setProblem(asProblem(error)));
  return (
    <section class="value" aria-label={name}>
      <div class="row apart">
        <h3>{name}</h3>
        <span class="row small faint">
          {bytes(value.size)}
          <Copy text={textOf(shown.content)} label={`Copy: ${name}`} />
        </span>
      </div>
      {shown.problem ? (
        <p class="soft">
          <SafeText text={shown.problem} />
        </p>
      ) : (
        <div class="prose" tabIndex={0} role="region" aria-label="Text">
          <ValueView value={shown.content} />
        </div>
      )}
      {shown.is_cut && (
        <button type="button" class="link-button" onClick={() => void read()}>
          Show all of it ({bytes(value.size)})
        </button>
      )}
      {problem && <ProblemView problem={problem} retry={() => void read()} />}
    </section>
  );
}

function textOf(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content, null, 2);
}

/** A value that is read when it is opened. */
export function OnDemand({ owner, name, at }: { owner: string; name: string; at: string }) {
  const [found, take] = useState<Value | null>(null);
  const [problem, setProblem] = useState<Problem>();
  const [isOpen, open] = useState(false);
  const read = () => valueOf(owner, at).then(take, (error) => setProblem(asProblem(error)));
  return (
    <details
      class="value"
      onToggle={(event) => {
        open(event.currentTarget.open);
        if (event.currentTarget.open && found === null) void read();
      }}
    >
      <summary>{name}</summary>
      {isOpen && problem && <ProblemView problem={problem} retry={() => void read()} />}
      {isOpen && !problem && found === null && <Skeleton height="4rem" />}
      {isOpen && found && (found.problem ? <SafeText text={found.problem} /> : <Messages content={found.content} />)}
    </details>
  );
}

interface MessagePart {
  role: string;
  content: unknown;
}

/** The conversation that a model was given, part by part; as JSON where it is of another shape. */
function Messages({ content }: { content: unknown }) {
  const parts = partsOf(content);
  if (parts === null) {
    return (
      <div class="prose" tabIndex={0} role="region" aria-label="Text">
        <ValueView value={content} />
      </div>
    );
  }
  return (
    <ol class="given">
      {parts.map((part, at) => (
        <li key={at}>
          <span class="small soft">{part.role}</span>
          <div class="prose" tabIndex={0} role="region" aria-label="Text">
            <ValueView value={part.content} />
          </div>
        </li>
      ))}
    </ol>
  );
}

const ROLES: Record<string, string> = {
  "system-prompt": "System",
  "user-prompt": "User",
  "tool-return": "Result of",
  "retry-prompt": "Asked again",
  "builtin-tool-call": "Calls",
  "builtin-tool-return": "Result of",
  text: "Model",
  thinking: "Model thinks",
  "tool-call": "Calls",
};

/** Parts of Pydantic AI's messages; null where it is something else. */
export function partsOf(content: unknown): MessagePart[] | null {
  const messages = isRecord(content) && Array.isArray(content["messages"]) ? content["messages"] : content;
  if (!Array.isArray(messages)) return null;
  const found: MessagePart[] = [];
  for (const message of messages as unknown[]) {
    if (!isRecord(message) || !Array.isArray(message["parts"])) return null;
    if (typeof message["instructions"] === "string") found.push({ role: "Instructions", content: message["instructions"] });
    for (const part of message["parts"] as unknown[]) {
      if (!isRecord(part)) return null;
      const kind = String(part["part_kind"] ?? "");
      const tool = typeof part["tool_name"] === "string" ? ` ${part["tool_name"]}` : "";
      found.push({ role: `${ROLES[kind] ?? kind}${tool}`, content: part["content"] ?? part["args"] ?? part });
    }
  }
  return found;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

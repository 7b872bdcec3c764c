/** A JSON value as a tree: opened part by part, however large it is. */
import { useState } from "preact/hooks";
import { bytes, count } from "../lib/format";
import { beginning } from "../lib/hostile";
import { SafeText } from "./text";

const AT_ONCE = 100;
const OPEN_DEPTH = 2;
const OPEN_MOST = 20;

/** Args: `name` stands before the value. */
export function JsonView({ value, name, depth = 0 }: { value: unknown; name?: string | undefined; depth?: number }) {
  if (value !== null && typeof value === "object") {
    return <Branch value={value} name={name} depth={depth} />;
  }
  return (
    <div class={depth ? undefined : "json"}>
      <Name name={name} />
      <Leaf value={value} />
    </div>
  );
}

function Name({ name }: { name: string | undefined }) {
  if (name === undefined) return null;
  return (
    <>
      <span class="name">
        <SafeText text={beginning(name, 200)} />
      </span>
      {": "}
    </>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") {
    return (
      <span class="text">
        <SafeText text={value} />
      </span>
    );
  }
  return <span class={typeof value === "number" ? "number" : "word"}>{String(value)}</span>;
}

function Branch({ value, name, depth }: { value: object; name: string | undefined; depth: number }) {
  const isList = Array.isArray(value);
  const keys = Object.keys(value);
  const [isOpen, open] = useState(depth < OPEN_DEPTH && keys.length <= OPEN_MOST);
  const [most, more] = useState(AT_ONCE);
  const [start, end] = isList ? ["[", "]"] : ["{", "}"];
  const size = isList ? `${count(keys.length)} items` : `${count(keys.length)} fields`;
  const parts = value as Record<string, unknown>;
  return (
    <div class={depth ? undefined : "json"}>
      <Name name={name} />
      {keys.length === 0 ? (
        `${start}${end}`
      ) : (
        <button type="button" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
          {isOpen ? `▾ ${start}` : `▸ ${start} ${size} ${end}`}
        </button>
      )}
      {isOpen && keys.length > 0 && (
        <>
          <ul>
            {keys.slice(0, most).map((key) => (
              <li key={key}>
                <JsonView value={parts[key]} name={isList ? undefined : key} depth={depth + 1} />
              </li>
            ))}
          </ul>
          {keys.length > most && (
            <button type="button" onClick={() => more(most + 10 * AT_ONCE)}>
              … {count(keys.length - most)} more
            </button>
          )}
          <div>{end}</div>
        </>
      )}
    </div>
  );
}

/** A text, or any other JSON, as its reader wants it. */
export function ValueView({ value }: { value: unknown }) {
  return typeof value === "string" ? <SafeText text={value} block /> : <JsonView value={value} />;
}

export function sizeOf(value: unknown): string {
  return bytes(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)).length);
}

/** Requests to the API: typed answers, or a `Refused` that says what happened and what to do. */
import type { Problem } from "./types";

export class Refused extends Error {
  constructor(
    readonly problem: Problem,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(problem.detail);
    this.name = "Refused";
  }

  get status(): number {
    return this.problem.status;
  }
}

/** Status of a `Refused` where nobody answered. */
export const UNREACHED = 0;

const following = new WeakMap<object, string>();

/** Cursor of the part behind an answer that is a list; null where nothing follows. */
export function nextOf(answer: object): string | null {
  return following.get(answer) ?? null;
}

let csrf: string | null = null;
let whenSignedOut: () => void = () => undefined;

/** Name the token that writes carry, as the session says it. */
export function useCsrf(token: string | null): void {
  csrf = token;
}

/** Call this when an answer says that the session has ended. */
export function onSignedOut(then: () => void): void {
  whenSignedOut = then;
}

export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>("GET", path, undefined, signal);
}

export function post<T>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<T> {
  return request<T>("POST", path, body, undefined, headers);
}

export function remove<T>(path: string): Promise<T> {
  return request<T>("DELETE", path);
}

/** A path of the API: the parts are encoded, undefined and empty values of the query are left out. */
export function apiPath(parts: readonly (string | number)[], query: Query = {}): string {
  return `/v1/${parts.map((part) => encodeURIComponent(String(part))).join("/")}${queryText(query)}`;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function queryText(query: Query): string {
  const kept = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") kept.set(name, String(value));
  }
  const text = kept.toString();
  return text ? `?${text}` : "";
}

/** A whole id such as `agent/support/order-4711` as a path of the API. */
export function runPath(workflowId: string, ...more: string[]): string {
  const [kind = "agent", name = "", ...rest] = workflowId.split("/");
  return apiPath(["runs", kind, name, rest.join("/"), ...more]);
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Refused) return error.problem;
  return { title: "Failed", status: UNREACHED, detail: error instanceof Error ? error.message : String(error) };
}

async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  more: Record<string, string> = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", ...more };
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    if (csrf) headers["X-CSRF-Token"] = csrf;
  }
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (method === "POST") init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused({
      title: "Not reached",
      status: UNREACHED,
      detail: "The console's server does not answer. It is tried again by itself; `outlive up` starts it.",
    });
  }
  if (!answer.ok) throw await refusal(answer, path);
  if (answer.status === 204) return undefined as T;
  const found: unknown = await answer.json();
  const next = answer.headers.get("X-Next-Cursor");
  if (next !== null && typeof found === "object" && found !== null) following.set(found, next);
  return found as T;
}

async function refusal(answer: Response, path: string): Promise<Refused> {
  if (answer.status === 401 && path !== "/v1/session") whenSignedOut();
  const wait = Number(answer.headers.get("Retry-After")) || null;
  const found: unknown = await answer.json().catch(() => null);
  if (found && typeof found === "object" && "detail" in found) {
    return new Refused({ title: answer.statusText, ...found, status: answer.status } as Problem, wait);
  }
  const detail = `The server answered ${answer.status} ${answer.statusText} to ${path}.`;
  return new Refused({ title: answer.statusText, status: answer.status, detail }, wait);
}

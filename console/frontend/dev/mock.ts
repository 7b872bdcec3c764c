/** Made-up data for `npm run dev`: or a real server's, where CONSOLE_SERVER names one. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import { match } from "../src/lib/router.ts";
import { DATA } from "./data.ts";
import { MORE } from "./more.ts";
import { Refusal } from "./refusal.ts";

/** Answers a path: with its parts, the query, and for writes the body; undefined is 204. */
export type Answer = (given: { parts: Record<string, string>; query: URLSearchParams; body: unknown }) => unknown;
/** By method and pattern, such as `GET /v1/batches/:id`. */
export type Answers = Record<string, Answer>;
/** State of a topic by its name; the argument is what stands behind the colon. */
export type Topics = Record<string, (argument: string) => unknown>;

const ANSWERS: Answers = { ...DATA.answers, ...MORE.answers };
const TOPICS: Topics = { ...DATA.topics, ...MORE.topics };
const TICK_MS = 1000;
const PULSE_MS = 5000;

export function mock(): Plugin {
  const server = process.env.CONSOLE_SERVER;
  const target = { target: server ?? "", changeOrigin: true };
  return {
    name: "mock",
    apply: "serve",
    config: () => (server ? { server: { proxy: { "/v1": target, "/temporal": target, "/openapi.json": target } } } : {}),
    configureServer({ middlewares }) {
      if (server) return;
      middlewares.use((request, response, next) => {
        const url = new URL(request.url ?? "/", "http://mock");
        if (url.pathname === "/v1/live") live(url.searchParams, request, response);
        else if (url.pathname.startsWith("/v1/")) void answer(url, request, response);
        else next();
      });
    },
  };
}

async function answer(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? "GET";
  for (const [key, found] of Object.entries(ANSWERS)) {
    const [wanted, pattern = ""] = key.split(" ");
    const parts = wanted === method ? match(pattern, url.pathname) : null;
    if (!parts) continue;
    try {
      const given = { parts, query: url.searchParams, body: await bodyOf(request) };
      const said = await found(given);
      if (said === undefined) response.writeHead(204).end();
      else send(response, 200, said);
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 500;
      send(response, status, { title: "Refused", status, detail: String((error as Error).message) });
    }
    return;
  }
  send(response, 404, { title: "Not Found", status: 404, detail: `The mock has no ${method} ${url.pathname}.` });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const part of request) text += String(part);
  return text ? JSON.parse(text) : null;
}

function live(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const topics = query.getAll("topic");
  const sent = new Map<string, string>();
  const tell = (event: string, data: unknown) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const pulse = () => tell("pulse", { at: new Date().toISOString(), engine: "ok", away_since: null });
  const tick = () => {
    for (const topic of topics) {
      const [name = "", ...rest] = topic.split(":");
      const state = TOPICS[name]?.(rest.join(":"));
      const text = JSON.stringify(state ?? null);
      if (state === undefined || sent.get(topic) === text) continue;
      sent.set(topic, text);
      tell(topic, state);
    }
  };
  pulse();
  tick();
  const timers = [setInterval(pulse, PULSE_MS), setInterval(tick, TICK_MS)];
  request.on("close", () => timers.forEach(clearInterval));
}

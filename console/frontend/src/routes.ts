/** Which address shows which page. A page is loaded when it is first opened. */
import type { ComponentType } from "preact";
import { match } from "./lib/router";

export type PageProps = { params: Record<string, string> };
export type PageModule = { default: ComponentType<PageProps> };

export interface Route {
  pattern: string;
  /** Entry of the navigation that it belongs to. */
  entry: string;
  load: () => Promise<PageModule>;
}

export const ROUTES: readonly Route[] = [
  { pattern: "/", entry: "/", load: () => import("./pages/home") },
  { pattern: "/batches", entry: "/batches", load: () => import("./pages/batches") },
  { pattern: "/batches/:id/documents/:position", entry: "/batches", load: () => import("./pages/document") },
  { pattern: "/batches/:id/:tab", entry: "/batches", load: () => import("./pages/batch") },
  { pattern: "/batches/:id", entry: "/batches", load: () => import("./pages/batch") },
  { pattern: "/runs", entry: "/runs", load: () => import("./pages/runs") },
  { pattern: "/runs/:id*", entry: "/runs", load: () => import("./pages/run") },
  { pattern: "/desk", entry: "/desk", load: () => import("./pages/desk") },
  { pattern: "/desk/:tab", entry: "/desk", load: () => import("./pages/desk") },
  { pattern: "/playground", entry: "/playground", load: () => import("./pages/playground") },
  { pattern: "/playground/:kind/:name", entry: "/playground", load: () => import("./pages/playground") },
  { pattern: "/money", entry: "/money", load: () => import("./pages/money") },
  { pattern: "/fleet", entry: "/fleet", load: () => import("./pages/fleet") },
];

export function routeOf(path: string): { route: Route; params: Record<string, string> } | null {
  for (const route of ROUTES) {
    const params = match(route.pattern, path);
    if (params) return { route, params };
  }
  return null;
}

/** Where one is: the address as a signal, and the way to another one. */
import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
  hash: string;
}

export const place = signal<Place>(read());

/** Addresses of this origin that are no pages of ours. */
const OTHERS = /^\/(v1|temporal|openapi\.json|docs|codec)(\/|$)/;

function read(): Place {
  if (typeof location === "undefined") return { path: "/", query: new URLSearchParams(), hash: "" };
  return { path: location.pathname, query: new URLSearchParams(location.search), hash: location.hash.slice(1) };
}

export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  const before = place.peek().path;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.value = read();
  if (!replace && place.value.path !== before) scrollTo(0, 0);
}

/** Change parts of the query of this page; empty and null take one out. */
export function setQuery(changes: Record<string, string | null>, { replace = true }: { replace?: boolean } = {}): void {
  const { path, query, hash } = place.peek();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  navigate(`${path}${text ? `?${text}` : ""}${hash ? `#${hash}` : ""}`, { replace });
}

/** The parts of a path that a pattern names, decoded; null where it does not fit. `:rest*` takes all that is left. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/").filter(Boolean);
  const given = path.split("/").filter(Boolean);
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith(":") && part.endsWith("*")) {
      if (given.length <= index) return null;
      found[part.slice(1, -1)] = given.slice(index).map(decoded).join("/");
      return found;
    }
    const value = given[index];
    if (value === undefined) return null;
    if (part.startsWith(":")) found[part.slice(1)] = decoded(value);
    else if (part !== value) return null;
  }
  return given.length === wanted.length ? found : null;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The page's address of a run or batch by its whole id. */
export function pageOf(id: string, kind?: string): string {
  const parts = id.split("/");
  if (kind === "batch" || (parts[0] === "batch" && kind === undefined)) {
    return `/batches/${encodeURIComponent(parts[0] === "batch" ? parts.slice(1).join("/") : id)}`;
  }
  return `/runs/${parts.map(encodeURIComponent).join("/")}`;
}

export function listenToAddress(): void {
  addEventListener("popstate", () => {
    place.value = read();
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (OTHERS.test(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
}

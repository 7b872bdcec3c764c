/** The frame around all pages, and which of them is shown. */
import { useSignalEffect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { asProblem } from "./api/client";
import type { Problem } from "./api/types";
import { place } from "./lib/router";
import { loadSession, needsSignIn, session } from "./lib/session";
import { SignIn } from "./pages/sign-in";
import { type PageProps, type Route, routeOf } from "./routes";
import { Page } from "./ui/page";
import { Shell } from "./ui/shell";
import { Empty, ProblemView, Skeleton, SkeletonRows } from "./ui/states";
import { Toasts } from "./ui/toast";

const RETRY_MS = 2000;

export function App() {
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const load = () =>
      loadSession().then(
        () => setProblem(undefined),
        (error) => {
          setProblem(asProblem(error));
          timer = setTimeout(load, RETRY_MS);
        },
      );
    void load();
    return () => clearTimeout(timer);
  }, []);
  if (problem && session.value === null) {
    return (
      <main class="content">
        <ProblemView problem={problem} />
      </main>
    );
  }
  if (needsSignIn.value) {
    return (
      <>
        <SignIn />
        <Toasts />
      </>
    );
  }
  const found = routeOf(place.value.path);
  return (
    <>
      <Shell entry={found?.route.entry ?? ""}>
        {found ? <Opened key={keyOf(found)} route={found.route} params={found.params} /> : <Unknown />}
      </Shell>
      <Toasts />
    </>
  );
}

/** Pages of one pattern with other parts are other pages, but for the tab that is open in them. */
function keyOf({ route, params }: { route: Route; params: Record<string, string> }): string {
  const { tab: _, ...others } = params;
  return JSON.stringify([route.load.toString(), others]);
}

const opened = new Map<Route, ComponentType<PageProps>>();

function Opened({ route, params }: { route: Route; params: Record<string, string> }) {
  const [, again] = useState(0);
  const [problem, setProblem] = useState<Problem>();
  const Found = opened.get(route);
  useEffect(() => {
    if (Found) return;
    route.load().then(
      (module) => {
        opened.set(route, module.default);
        again((times) => times + 1);
      },
      () => setProblem({ title: "Not loaded", status: 0, detail: "This page is another one now: load it again." }),
    );
  }, [route, Found]);
  useFocus(params, Found !== undefined);
  if (problem) return <ProblemView problem={problem} retry={() => location.reload()} />;
  if (!Found) {
    return (
      <>
        <Skeleton height="2rem" width="12rem" />
        <SkeletonRows />
      </>
    );
  }
  return <Found params={params} />;
}

let isFirst = true;

/** Screen readers begin at the title of a page that was opened from another. */
function useFocus(params: Record<string, string>, isThere: boolean): void {
  const done = useRef(false);
  useEffect(() => {
    if (!isThere || done.current) return;
    done.current = true;
    if (!isFirst) document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    isFirst = false;
  }, [params, isThere]);
  useSignalEffect(() => {
    const { hash } = place.value;
    if (hash) document.getElementById(hash)?.scrollIntoView({ block: "center" });
  });
}

function Unknown() {
  return (
    <Page title="Not there">
      <Empty icon="search" title="There is no such page">
        The address {place.value.path} shows nothing. The navigation leads to all that there is.
      </Empty>
    </Page>
  );
}

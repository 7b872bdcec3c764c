/** What is around every page: navigation, state of engine and connection, keys and the palette. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { HandOffView } from "../api/types";
import { bindings, useKeys } from "../lib/keys";
import { navigate } from "../lib/router";
import { session, signOut } from "../lib/session";
import { setTheme, theme, type Theme } from "../lib/theme";
import { connection } from "../live/live";
import { useTwin } from "../live/twin";
import { ENTRIES, type Entry, ON_PHONES } from "../navigation";
import { Choices } from "./controls";
import { DemoBanner } from "./demo";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { Palette } from "./palette";
import { Ago, Moment } from "./text";

type Open = "palette" | "help" | "more" | null;
const open = signal<Open>(null);

export function Shell({ entry, children }: { entry: string; children: ComponentChildren }) {
  useGlobalKeys();
  const { state } = connection.value;
  return (
    <div class="shell" data-connection={state}>
      <a class="skip" href="#content" onClick={skip}>
        Skip to the content
      </a>
      <Side entry={entry} />
      <div class="main">
        <Top />
        <main id="content" class="content" tabIndex={-1}>
          <Trouble />
          {session.value?.demo && <DemoBanner />}
          {children}
        </main>
      </div>
      <TabBar entry={entry} />
      {open.value === "palette" && <Palette onClose={shut} />}
      {open.value === "help" && <Help />}
      {open.value === "more" && <More />}
    </div>
  );
}

function shut(): void {
  open.value = null;
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function useGlobalKeys(): void {
  useKeys([
    ...ENTRIES.map((entry) => ({
      keys: `g ${entry.key}`,
      what: `Go to ${entry.word}`,
      then: () => navigate(entry.href),
    })),
    { keys: "mod+k", what: "Find a page, a run, a batch", then: () => toggle("palette") },
    { keys: "?", what: "Show the keys", then: () => toggle("help") },
    {
      keys: "/",
      what: "Search in this page",
      then: () => {
        const field = document.querySelector<HTMLInputElement>("[data-search]");
        if (field) field.focus();
        else toggle("palette");
      },
    },
  ]);
}

function toggle(what: Open): void {
  open.value = open.value === what ? null : what;
}

/** How many hand-offs are open: followed by every page. */
function useWaiting(): number {
  return useTwin<HandOffView[]>("/v1/hand-offs", "hand-offs").data.value?.filter((one) => one.state === "open").length ?? 0;
}

function Waiting() {
  const waiting = useWaiting();
  if (!waiting) return null;
  return (
    <span class="count" title={`${waiting} wait for a person`}>
      {waiting > 99 ? "99+" : waiting}
      <span class="unseen"> wait for a person</span>
    </span>
  );
}

function EntryLink({ entry, isOpen }: { entry: Entry; isOpen: boolean }) {
  return (
    <a href={entry.href} aria-current={isOpen ? "page" : undefined}>
      <Icon name={entry.icon} />
      <span>{entry.word}</span>
      {entry.href === "/desk" && <Waiting />}
    </a>
  );
}

function Side({ entry }: { entry: string }) {
  const own = session.value;
  return (
    <aside class="side">
      <a class="brand" href="/" aria-label="Outlive: home">
        <Icon name="brand" />
        Outlive
      </a>
      <nav class="nav" aria-label="Pages">
        {ENTRIES.map((one) => (
          <EntryLink key={one.href} entry={one} isOpen={one.href === entry} />
        ))}
      </nav>
      <div class="foot">
        <nav class="nav" aria-label="Elsewhere">
          <button type="button" class="button bare" onClick={() => toggle("palette")}>
            <Icon name="search" />
            <span class="grow">Find</span>
            <kbd>{isApple() ? "⌘" : "Ctrl"} K</kbd>
          </button>
          {own?.temporal_ui && (
            <a href={own.temporal_ui} target="_blank" rel="noopener">
              <Icon name="temporal" />
              <span>Temporal UI</span>
            </a>
          )}
        </nav>
        <ThemeChoice />
        <p class="faint small">
          {own?.version ? `Outlive ${own.version}` : ""}
          {own?.csrf && (
            <>
              {` · ${own.name || own.role} `}
              <button type="button" class="link-button" onClick={() => void signOut()}>
                Sign out
              </button>
            </>
          )}
        </p>
      </div>
    </aside>
  );
}

function isApple(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.userAgent);
}

function ThemeChoice() {
  const word = (icon: "system" | "sun" | "moon", said: string) => (
    <>
      <Icon name={icon} small />
      <span class="unseen">{said}</span>
    </>
  );
  return (
    <Choices<Theme>
      label="Colours"
      value={theme.value}
      onChange={setTheme}
      options={[
        ["system", word("system", "As the system has them")],
        ["light", word("sun", "Light")],
        ["dark", word("moon", "Dark")],
      ]}
    />
  );
}

function Top() {
  return (
    <header class="top">
      <span class="project cut grow">{session.value?.project ?? ""}</span>
      <EngineState />
      <ConnectionState />
    </header>
  );
}

function EngineState() {
  const found = connection.value;
  if (found.state === "live") {
    return (
      <span class="state wide-only">
        <i class="dot good" />
        Engine answers
      </span>
    );
  }
  if (found.state !== "away") return null;
  return (
    <span class="state">
      <i class="dot bad" />
      {found.part === "engine" ? "Engine away" : "Ledger away"}
    </span>
  );
}

function ConnectionState() {
  const found = connection.value;
  const [tone, word] = {
    connecting: ["", "Connecting…"],
    live: ["good", "Live"],
    behind: ["warn", "Behind"],
    away: ["warn", "Waiting"],
    "signed-out": ["bad", "Signed out"],
  }[found.state] as [string, string];
  return (
    <span class="state" role="status">
      <i class={`dot ${tone}`} />
      {word}
    </span>
  );
}

/** Says above the page that it shows the past, and since when. */
function Trouble() {
  const found = connection.value;
  if (found.state === "behind") {
    return (
      <div class="banner tone-warn">
        <Icon name="clock" />
        <span class="grow">
          <strong>Behind. </strong>
          The console's server was last heard <Ago at={found.since / 1000} />; what you see is as of then. It goes on by
          itself when the server is back. Your work goes on meanwhile.
        </span>
      </div>
    );
  }
  if (found.state === "away") {
    return (
      <div class="banner tone-bad">
        <Icon name="alert" />
        <span class="grow">
          <strong>
            The {found.part} is away since <Moment at={found.since / 1000} />.{" "}
          </strong>
          Nothing is lost: work goes on where it stopped as soon as the {found.part} answers.{" "}
          {found.part === "engine" ? (
            <>
              <code>outlive up</code> restarts it by itself;
            </>
          ) : (
            "It is the database of this project;"
          )}{" "}
          <code>outlive doctor</code> tells what is wrong.
        </span>
      </div>
    );
  }
  return null;
}

function TabBar({ entry }: { entry: string }) {
  const isElsewhere = !ON_PHONES.some((href) => href === entry);
  return (
    <nav class="tabbar" aria-label="Pages">
      {ENTRIES.filter((one) => ON_PHONES.some((href) => href === one.href)).map((one) => (
        <EntryLink key={one.href} entry={one} isOpen={one.href === entry} />
      ))}
      <button type="button" aria-current={isElsewhere ? "page" : undefined} onClick={() => toggle("more")}>
        <Icon name="more" />
        <span>More</span>
      </button>
    </nav>
  );
}

function More() {
  const others = ENTRIES.filter((one) => !ON_PHONES.some((href) => href === one.href));
  return (
    <Dialog title="More" onClose={shut}>
      <nav class="nav" aria-label="More pages" onClick={shut}>
        {others.map((one) => (
          <EntryLink key={one.href} entry={one} isOpen={false} />
        ))}
        {session.value?.temporal_ui && (
          <a href={session.value.temporal_ui} target="_blank" rel="noopener">
            <Icon name="temporal" />
            Temporal UI
          </a>
        )}
      </nav>
      <div class="row apart">
        <ThemeChoice />
        {session.value?.csrf && (
          <button type="button" class="link-button" onClick={() => void signOut()}>
            Sign out
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Help() {
  const mod = isApple() ? "⌘" : "Ctrl";
  return (
    <Dialog title="Keys" onClose={shut}>
      <dl class="facts">
        {bindings.value.map(({ keys, what }) => [
          <dt key={keys}>
            {keys.replace("mod+", `${mod} `).split(" ").map((key) => (
              <kbd key={key}>{key}</kbd>
            ))}
          </dt>,
          <dd key={`${keys} does`}>{what}</dd>,
        ])}
      </dl>
    </Dialog>
  );
}

/** The command palette: every page, and the batches and runs that there are. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api/client";
import type { BatchView, RunView } from "../api/types";
import { navigate, pageOf } from "../lib/router";
import { setTheme } from "../lib/theme";
import { ENTRIES } from "../navigation";
import { Dialog } from "./dialog";
import { Icon, type IconName } from "./icons";
import { Line } from "./text";

export interface Command {
  word: string;
  said: string;
  icon: IconName;
  run: () => void;
}

const SHOWN = 12;

const PAGES: readonly Command[] = ENTRIES.map((entry) => ({
  word: entry.word,
  said: `g ${entry.key}`,
  icon: entry.icon,
  run: () => navigate(entry.href),
}));

const OTHERS: readonly Command[] = [
  { word: "Light colours", said: "theme", icon: "sun", run: () => setTheme("light") },
  { word: "Dark colours", said: "theme", icon: "moon", run: () => setTheme("dark") },
  { word: "Colours of the system", said: "theme", icon: "system", run: () => setTheme("system") },
  { word: "Description of the API", said: "OpenAPI", icon: "link", run: () => location.assign("/openapi.json") },
];

/** Those that hold all words that were typed, those that begin with them first. */
export function found(all: readonly Command[], typed: string): Command[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = (word: string) => (words[0] && word.startsWith(words[0]) ? 0 : 1);
  return all
    .filter(({ word }) => words.every((one) => word.toLowerCase().includes(one)))
    .sort((a, b) => rank(a.word.toLowerCase()) - rank(b.word.toLowerCase()))
    .slice(0, SHOWN);
}

/** An id that was typed whole leads to its page, though no list shows it. */
function byId(typed: string): Command[] {
  if (!/^(agent|plan|batch)\/\S+$/.test(typed)) return [];
  return [{ word: `Open ${typed}`, said: "id", icon: "link", run: () => navigate(pageOf(typed)) }];
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [typed, type] = useState("");
  const [at, move] = useState(0);
  const [things, know] = useState<readonly Command[]>([]);
  const list = useId();
  const box = useRef<HTMLUListElement>(null);
  useEffect(() => {
    void load().then(know);
  }, []);
  const shown = useMemo(
    () => [...byId(typed.trim()), ...found([...PAGES, ...things, ...OTHERS], typed)],
    [typed, things],
  );
  useEffect(() => {
    box.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const choose = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      move((at + by + shown.length) % Math.max(1, shown.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(shown[at]);
    }
  };
  return (
    <Dialog title="Find" onClose={onClose} own="palette" isTitleUnseen>
      <input
        class="input"
        autoFocus
        role="combobox"
        aria-label="Find a page, a batch, a run"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={shown[at] ? `${list}-${at}` : undefined}
        placeholder="Find a page, a batch, a run, or paste an id"
        value={typed}
        onInput={(event) => {
          type(event.currentTarget.value);
          move(0);
        }}
        onKeyDown={press}
      />
      <ul ref={box} id={list} role="listbox" aria-label="Found">
        {shown.map((command, index) => (
          <li
            key={command.word + command.said}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === at}
            onMouseMove={() => move(index)}
            onClick={() => choose(command)}
          >
            <Icon name={command.icon} />
            <Line text={command.word} />
            <span class="said">{command.said}</span>
          </li>
        ))}
        {shown.length === 0 && <li class="soft">Nothing is called so. Whole ids can be pasted.</li>}
      </ul>
    </Dialog>
  );
}

async function load(): Promise<Command[]> {
  const [batches, runs] = await Promise.all([
    get<BatchView[]>("/v1/batches").catch(() => []),
    get<RunView[]>("/v1/runs?limit=50").catch(() => []),
  ]);
  return [
    ...batches.map((batch): Command => ({
      word: batch.id,
      said: `batch, ${batch.state}`,
      icon: "batches",
      run: () => navigate(pageOf(batch.id, "batch")),
    })),
    ...runs.map((run): Command => ({
      word: `${run.name}/${run.run_id}`,
      said: `${run.kind}, ${run.state}`,
      icon: "runs",
      run: () => navigate(pageOf(run.id)),
    })),
  ];
}

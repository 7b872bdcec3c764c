/** Light, dark, or as the system has it. */
import { signal } from "@preact/signals";
import { read, write } from "./session";

export type Theme = "system" | "light" | "dark";

const KEY = "outlive.theme";

export const theme = signal<Theme>("system");
/** Counts up when colours have changed: what is drawn on a canvas is drawn again. */
export const themeVersion = signal(0);

export function startTheme(): void {
  const kept = read(KEY);
  if (kept === "light" || kept === "dark") apply(kept);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themeVersion.value += 1;
  });
}

export function setTheme(chosen: Theme): void {
  write(KEY, chosen === "system" ? null : chosen);
  apply(chosen);
}

function apply(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  themeVersion.value += 1;
}

/** The colour of a token as the theme has it now, for canvases. */
export function colour(token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

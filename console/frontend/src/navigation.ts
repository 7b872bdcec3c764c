/** The entries of the navigation, in its order. */
import type { IconName } from "./ui/icons";

export interface Entry {
  href: string;
  word: string;
  icon: IconName;
  /** The second key of `g …`. */
  key: string;
}

export const ENTRIES: readonly Entry[] = [
  { href: "/", word: "Home", icon: "home", key: "h" },
  { href: "/batches", word: "Batches", icon: "batches", key: "b" },
  { href: "/runs", word: "Runs", icon: "runs", key: "r" },
  { href: "/desk", word: "Desk", icon: "desk", key: "d" },
  { href: "/playground", word: "Playground", icon: "playground", key: "p" },
  { href: "/money", word: "Money", icon: "money", key: "m" },
  { href: "/fleet", word: "Fleet", icon: "fleet", key: "f" },
];

/** Those of the bar of a phone; the others are behind "More". */
export const ON_PHONES = ["/", "/batches", "/runs", "/desk"] as const;

/** Who looks, and what they may do. */
import { computed, signal } from "@preact/signals";
import { get, onSignedOut, post, remove, useCsrf } from "../api/client";
import type { Role, Session } from "../api/types";
import { reopen, signedOut } from "../live/live";
import { forgetTwins } from "../live/twin";

export const session = signal<Session | null>(null);

const RANK: Record<Role, number> = { look: 1, decide: 2, operate: 3 };

/** Whether the role of this session suffices. */
export function may(role: Role): boolean {
  const own = session.value?.role;
  return own !== null && own !== undefined && RANK[own] >= RANK[role];
}

export const needsSignIn = computed(() => {
  const known = session.value;
  return signedOut.value || (known !== null && known.role === null);
});

function take(found: Session): void {
  useCsrf(found.csrf);
  session.value = found;
  if (found.role !== null) signedOut.value = false;
}

export async function loadSession(): Promise<void> {
  onSignedOut(() => {
    signedOut.value = true;
  });
  take(await get<Session>("/v1/session"));
}

export async function signIn(token: string, name: string): Promise<void> {
  take(await post<Session>("/v1/session", { token, name }));
  forgetTwins();
  reopen();
}

export async function signOut(): Promise<void> {
  await remove("/v1/session");
  location.assign("/");
}

const NAME = "outlive.name";

/** How decisions of this reader are signed: the session's name, or what was given here before. */
export function ownName(): string {
  return session.value?.name || read(NAME) || "";
}

export function rememberName(name: string): void {
  write(NAME, name);
}

export function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // a browser that keeps nothing shows the same page
  }
}

/** Whose name decisions carry: that of the session, or one that is asked for once. */
import { useState } from "preact/hooks";
import { ownName, rememberName, session } from "../lib/session";
import { TextField } from "../ui/controls";

export interface Name {
  value: string;
  isGiven: boolean;
  /** Whether the session itself says it. */
  isFixed: boolean;
  set: (name: string) => void;
  remember: () => void;
}

export function useName(): Name {
  const [given, set] = useState(ownName());
  const isFixed = Boolean(session.value?.name);
  const value = (session.value?.name || given).trim();
  return { value, isGiven: value !== "", isFixed, set, remember: () => rememberName(value) };
}

/** Asks for the name where nothing says it. */
export function NameField({ name }: { name: Name }) {
  const [wasGiven] = useState(name.isGiven);
  if (name.isFixed || wasGiven) return null;
  return <TextField label="Your name" value={name.value} onInput={name.set} hint="Goes on record with what you decide." />;
}

/** Whose name decisions carry: that of the session, or one that is asked for once. */
import { useState } from "preact/hooks";
import { ownName, rememberName, session } from "../lib/session";
import { TextField, useAction } from "../ui/controls";
import { Ask } from "../ui/dialog";

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

const HINT = "Goes on record with what you decide. Nobody checks it here.";

/** Asks for the name where nothing says it. */
export function NameField({ name, isMissing = false }: { name: Name; isMissing?: boolean }) {
  const [wasGiven] = useState(name.isGiven);
  if (name.isFixed || wasGiven) return null;
  const misfit = isMissing && !name.isGiven ? "Say who decides." : undefined;
  return <TextField label="Your name" value={name.value} onInput={name.set} hint={HINT} misfit={misfit} autoComplete="name" />;
}

interface AskNameProps {
  title: string;
  word: string;
  name: Name;
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks for the name, and then does what needed it. */
export function AskName({ title, word, name, act, onClose }: AskNameProps) {
  const action = useAction(() => {
    name.remember();
    return act();
  });
  return (
    <Ask title={title} word={word} action={action} onClose={onClose} isReady={name.isGiven}>
      <TextField label="Your name" value={name.value} onInput={name.set} hint={HINT} autoComplete="name" autoFocus />
    </Ask>
  );
}

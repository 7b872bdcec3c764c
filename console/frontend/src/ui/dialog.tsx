/** Dialogs: the browser's own, so that focus stays in and comes back. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button, type Action } from "./controls";
import { ProblemView } from "./states";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  /** More classes. */
  own?: string;
  /** Whether the title is only said, not seen. */
  isTitleUnseen?: boolean;
}

/** Open for as long as it is rendered. */
export function Dialog({ title, onClose, children, wide, own, isTitleUnseen }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={["dialog", wide && "wide", own].filter(Boolean).join(" ")}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      <h2 id={id} class="unseen">
        {title}
      </h2>
      {isTitleUnseen ? (
        children
      ) : (
        <div class="inside">
          <div class="row apart">
            <strong aria-hidden="true">{title}</strong>
            <Button icon="cross" look="bare" label="Close" onClick={onClose} />
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}

interface AskProps {
  title: string;
  /** The word on the button, a verb. */
  word: string;
  action: Action;
  onClose: () => void;
  children: ComponentChildren;
  isDangerous?: boolean;
  /** Whether what is filled in can be sent. */
  isReady?: boolean;
}

/** A question before something is done, or the few figures that it needs. Closes when it is done. */
export function Ask({ title, word, action, onClose, children, isDangerous, isReady = true }: AskProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="stack"
        onSubmit={async (event) => {
          event.preventDefault();
          if (await action.run()) onClose();
        }}
      >
        {children}
        {action.problem && <ProblemView problem={action.problem} />}
        <div class="foot">
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" look={isDangerous ? "danger" : "primary"} disabled={action.isBusy || !isReady}>
            {action.isBusy ? "One moment…" : word}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

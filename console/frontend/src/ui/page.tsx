/** A page: its title, what is said of it, what can be done, and what it shows. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { session } from "../lib/session";
import { Icon } from "./icons";
import { SafeText } from "./text";

interface PageHeadProps {
  title: string;
  /** Beside the title, such as a `Status`. */
  mark?: ComponentChildren;
  about?: ComponentChildren;
  actions?: ComponentChildren;
  /** The page above this one. */
  up?: { href: string; word: string };
  children?: ComponentChildren;
}

export function Page({ title, mark, about, actions, up, children }: PageHeadProps) {
  const project = session.value?.project;
  useEffect(() => {
    document.title = [title, project, "Outlive"].filter(Boolean).join(" · ");
  }, [title, project]);
  return (
    <>
      <header class="page-head">
        <div class="about">
          {up && (
            <a class="crumb" href={up.href}>
              <Icon name="left" small />
              {up.word}
            </a>
          )}
          <div class="row wrap">
            <h1 tabIndex={-1}>
              <SafeText text={title} />
            </h1>
            {mark}
          </div>
          {about && <p>{about}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

interface CardProps {
  title?: string;
  /** To the right of the title. */
  side?: ComponentChildren;
  /** Whether what is inside reaches the edges, such as a table. */
  isFlush?: boolean;
  children: ComponentChildren;
}

export function Card({ title, side, isFlush, children }: CardProps) {
  return (
    <section class={isFlush ? "card flush" : "card"} aria-label={title}>
      {(title || side) && (
        <div class="card-head">
          {title && <h2>{title}</h2>}
          {side}
        </div>
      )}
      {children}
    </section>
  );
}

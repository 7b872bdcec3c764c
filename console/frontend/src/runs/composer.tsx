/** Where one says something to a run, or speaks in its agent's place. */
import { useRef, useState } from "preact/hooks";
import { asProblem, post, runPath, UNREACHED } from "../api/client";
import type { Problem, RunView } from "../api/types";
import { may, ownName } from "../lib/session";
import { ActionButton, Button } from "../ui/controls";
import { Icon } from "../ui/icons";
import { ProblemView } from "../ui/states";
import { SafeText } from "../ui/text";
import { AskName, useName } from "../desk/name";

interface ComposerProps {
  run: RunView;
  /** Whether a turn is being worked on. */
  isWorking: boolean;
  onSent: () => void;
}

export function Composer({ run, isWorking, onSent }: ComposerProps) {
  const isMine = run.taken_by !== null && run.taken_by === ownName();
  if (run.taken_by && !isMine) return <TakenByOther run={run} onSent={onSent} />;
  return <Writing run={run} isWorking={isWorking} speaks={isMine} onSent={onSent} />;
}

function TakenByOther({ run, onSent }: { run: RunView; onSent: () => void }) {
  return (
    <div class="banner tone-warn">
      <Icon name="person" />
      <span class="grow">
        <strong>
          <SafeText text={run.taken_by ?? ""} /> speaks in the agent's place.
        </strong>{" "}
        What is said meanwhile waits for them.
      </span>
      <ActionButton
        needs="decide"
        act={async () => {
          await post(runPath(run.id, "take"), { by: ownName() || "console", force: true });
          onSent();
        }}
      >
        Take it over from them
      </ActionButton>
    </div>
  );
}

function Writing({ run, isWorking, speaks, onSent }: ComposerProps & { speaks: boolean }) {
  const [text, write] = useState("");
  const [steers, steer] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setBusy] = useState(false);
  const id = useRef(crypto.randomUUID());
  const send = async () => {
    if (text.trim() === "" || isBusy) return;
    setBusy(true);
    try {
      await (speaks
        ? post(runPath(run.id, "speak"), { text, by: ownName(), speech_id: id.current })
        : post(runPath(run.id, "messages"), { content: text, steer: isWorking && steers, message_id: id.current }));
      id.current = crypto.randomUUID();
      write("");
      setProblem(undefined);
      onSent();
    } catch (error) {
      setProblem(asProblem(error)); // the id stays: sent again, it is the same message
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {problem && <ProblemView problem={problem} />}
      {problem?.status === UNREACHED && (
        <p class="small soft">It may have arrived all the same. Sent again, it is the same message.</p>
      )}
      <textarea
        class="textarea"
        rows={2}
        aria-label={speaks ? "Say something in the agent's place" : "Say something"}
        placeholder={speaks ? "You speak in the agent's place…" : "Say something…"}
        value={text}
        disabled={!may("decide")}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <div class="row wrap apart">
        <span class="row wrap small soft">
          {isWorking && !speaks && (
            <label class="row">
              <input type="checkbox" checked={steers} onChange={(event) => steer(event.currentTarget.checked)} />
              Steer: let it join the turn that is being worked on
            </label>
          )}
          {run.is_conversation && <TakeOver run={run} speaks={speaks} onDone={onSent} />}
        </span>
        <Button type="submit" look="primary" icon="send" needs="decide" disabled={isBusy || text.trim() === ""}>
          {isBusy ? "Sending…" : speaks ? "Say it as a person" : "Send"}
        </Button>
      </div>
    </form>
  );
}

function TakeOver({ run, speaks, onDone }: { run: RunView; speaks: boolean; onDone: () => void }) {
  const name = useName();
  const [asks, ask] = useState(false);
  const take = async () => {
    await post(runPath(run.id, "take"), { by: name.value });
    onDone();
  };
  if (speaks) {
    return (
      <ActionButton
        icon="leave"
        needs="decide"
        done="The agent goes on"
        act={async () => {
          await post(runPath(run.id, "return"), { by: ownName() });
          onDone();
        }}
      >
        Hand it back to the agent
      </ActionButton>
    );
  }
  return (
    <>
      {name.isGiven && !asks ? (
        <ActionButton look="bare" icon="person" needs="decide" act={take}>
          Speak in the agent's place
        </ActionButton>
      ) : (
        <Button look="bare" icon="person" needs="decide" onClick={() => ask(true)}>
          Speak in the agent's place
        </Button>
      )}
      {asks && (
        <AskName title="Who speaks in the agent's place?" word="Take it over" name={name} act={take} onClose={() => ask(false)} />
      )}
    </>
  );
}

/** A budget: what is spent of it, and raising it. */
import { useState } from "preact/hooks";
import { post } from "../api/client";
import type { BudgetView } from "../api/types";
import { count, money, short } from "../lib/format";
import { ownName, rememberName } from "../lib/session";
import { Misfit, TextField, useAction } from "../ui/controls";
import { Ask } from "../ui/dialog";
import { Progress } from "../ui/figures";
import { Status } from "../ui/status";
import { SafeText } from "../ui/text";

interface Cap {
  word: string;
  cap: number;
  spent: number;
  held: number;
  doubtful: number;
  write: (value: number) => string;
}

/** The caps that limit, each with what is spent and held. */
export function capsOf(budget: BudgetView): Cap[] {
  const caps: Cap[] = [];
  if (budget.usd_nanos !== null) {
    caps.push({ word: "", cap: budget.usd_nanos, spent: budget.spent_usd_nanos, held: budget.held_usd_nanos, doubtful: budget.doubtful_usd_nanos, write: money });
  }
  if (budget.tokens !== null) {
    caps.push({ word: " tokens", cap: budget.tokens, spent: budget.spent_tokens, held: budget.held_tokens, doubtful: budget.doubtful_tokens, write: short });
  }
  if (budget.calls !== null) {
    caps.push({ word: " calls", cap: budget.calls, spent: budget.spent_calls, held: budget.held_calls, doubtful: budget.doubtful_calls, write: count });
  }
  return caps;
}

export function BudgetGauge({ budget }: { budget: BudgetView }) {
  const caps = capsOf(budget);
  const isSpent = caps.some((cap) => cap.spent >= cap.cap);
  const word = budget.state === "open" ? "within" : isSpent ? "spent" : "too little for the next call";
  return (
    <div class="stack tight">
      <div class="row apart wrap">
        <strong class="cut">
          <SafeText text={budget.key} />
        </strong>
        <Status state={budget.state === "open" ? "ok" : "exhausted"} word={word} />
      </div>
      {caps.map((cap) => (
        <div key={cap.word} class="stack none">
          <Progress
            all={Math.max(cap.cap, cap.spent + cap.held)}
            parts={[
              { name: "spent", many: cap.spent, tone: budget.state === "open" ? "accent" : "bad" },
              { name: "held", many: cap.held, tone: "quiet" },
            ]}
          />
          <span class="soft small num">
            {cap.write(cap.spent)} of {cap.write(cap.cap)}
            {cap.word}
            {cap.held > 0 && `, ${cap.write(cap.held)} held by calls in flight`}
            {cap.doubtful > 0 && `, ${cap.write(cap.doubtful)} in doubt`}
          </span>
        </div>
      ))}
      {caps.length === 0 && <p class="soft small">No cap is set.</p>}
    </div>
  );
}

interface AskBudgetProps {
  title: string;
  /** Where it is sent; `key` of the body where there is one. */
  path: string;
  budgetKey?: string;
  onClose: () => void;
  changed: () => void;
}

export function AskBudget({ title, path, budgetKey, onClose, changed }: AskBudgetProps) {
  const [amount, setAmount] = useState("");
  const [by, setBy] = useState(ownName());
  const [isSent, setSent] = useState(false);
  const isWhole = Boolean(amount.trim() && by.trim());
  const action = useAction(async () => {
    setSent(true);
    if (!isWhole) throw new Misfit("Something is missing: see above.");
    await post(path, { ...(budgetKey ? { key: budgetKey } : {}), budget: amount.trim(), by: by.trim() });
    rememberName(by.trim());
    changed();
  }, "The budget is set. What waits for it goes on by itself.");
  return (
    <Ask title={title} word="Set the budget" action={action} onClose={onClose}>
      <TextField label="Budget" value={amount} onInput={setAmount} placeholder="40usd" autoFocus misfit={isSent && !amount.trim() ? "Say how much." : undefined} hint="In all, not on top of what is spent: 40usd, or 40usd,100000calls where both limit." />
      <TextField label="Your name" value={by} onInput={setBy} autoComplete="name" misfit={isSent && !by.trim() ? "Say who sets it." : undefined} hint="It is written down with the change." />
    </Ask>
  );
}

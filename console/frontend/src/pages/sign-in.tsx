/** Where a token is set: who looks, and with what right. */
import { useState } from "preact/hooks";
import { ownName, rememberName, signIn } from "../lib/session";
import { Button, TextField, useAction } from "../ui/controls";
import { Icon } from "../ui/icons";
import { ProblemView } from "../ui/states";

export function SignIn() {
  const [token, setToken] = useState("");
  const [name, setName] = useState(ownName());
  const action = useAction(async () => {
    await signIn(token.trim(), name.trim());
    rememberName(name.trim());
  });
  return (
    <main class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void action.run();
        }}
      >
        <span class="brand">
          <Icon name="brand" />
          Outlive
        </span>
        <h1>Sign in</h1>
        <TextField
          label="Token"
          type="password"
          value={token}
          onInput={setToken}
          autoFocus
          autoComplete="current-password"
          hint="Whoever runs this server set it: OUTLIVE_API_TOKEN, OUTLIVE_DECIDE_TOKEN or OUTLIVE_LOOK_TOKEN."
        />
        <TextField
          label="Your name"
          value={name}
          onInput={setName}
          autoComplete="name"
          hint="Your decisions are signed with it."
        />
        {action.problem && <ProblemView problem={action.problem} />}
        <Button type="submit" look="primary" large disabled={action.isBusy || !token.trim() || !name.trim()}>
          Sign in
        </Button>
      </form>
    </main>
  );
}

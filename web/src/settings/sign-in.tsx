import { type FormEvent, useState } from "react";
import { useApp } from "../app-context.ts";

/** Asks for the key or token that the server wants. */
export function SignIn({ wasRefused }: { wasRefused: boolean }) {
  const { credential } = useApp();
  const [token, setToken] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") credential.set(token.trim());
  };
  return (
    <main className="sign-in">
      <form className="form" onSubmit={submit}>
        <h1>chatwire</h1>
        <p>This server wants to know who you are. It is kept in this tab until you close it.</p>
        <label className="field">
          <span>API key or token</span>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: it is the only thing to do here.
            autoFocus
            value={token}
            aria-invalid={wasRefused}
            aria-describedby="sign-in-refused"
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <p id="sign-in-refused" className="field-error" role="alert">
          {wasRefused ? "The server does not accept this key." : ""}
        </p>
        <button type="submit" className="primary" disabled={token.trim() === ""}>
          Sign in
        </button>
      </form>
    </main>
  );
}

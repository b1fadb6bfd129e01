import { Code, ConnectError } from "@connectrpc/connect";
import { type FormEvent, useRef, useState } from "react";
import { useApp } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";

const refusedWords = "The server does not accept this key.";

/** Asks for the key or token that the server wants. Another may be sent while one is tried; then that one counts. */
export function SignIn({ wasRefused }: { wasRefused: boolean }) {
  const { signIn } = useApp();
  const [token, setToken] = useState("");
  const [tried, setTried] = useState("");
  const leave = useRef<AbortController>(undefined);
  const [words, setWords] = useState(wasRefused ? refusedWords : "");
  const attempt = async (shown: string) => {
    const controller = new AbortController();
    leave.current = controller;
    setTried(shown);
    setWords("");
    try {
      await signIn(shown, controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return;
      setTried("");
      const isRefused = ConnectError.from(error).code === Code.Unauthenticated;
      setWords(isRefused ? refusedWords : errorWords(error));
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const shown = token.trim();
    if (shown === "" || shown === tried) return;
    leave.current?.abort();
    if (canBeHeader(shown)) return void attempt(shown);
    setTried("");
    setWords("This is not a valid key.");
  };
  return (
    <main className="sign-in">
      <form className="form" onSubmit={submit}>
        <h1>chatwire</h1>
        <p>Sign in with your key. It stays in this tab until you close it or sign out.</p>
        <label className="field">
          <span>API key or token</span>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: it is the only thing to do here.
            autoFocus
            value={token}
            aria-invalid={words !== ""}
            aria-describedby="sign-in-refused"
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <p id="sign-in-refused" className="field-error" role="alert">
          {words}
        </p>
        <button type="submit" className="primary" disabled={token.trim() === ""}>
          {tried !== "" && token.trim() === tried ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** A bearer token is letters, digits and signs of ASCII (RFC 6750); anything else no header can carry. */
function canBeHeader(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

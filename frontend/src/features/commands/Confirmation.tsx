import { type ReactNode, useId, useState } from "react";
import { useConsole } from "../../feed/hooks";
import { linkTrouble } from "./trouble";
import type { Command } from "./useCommand";

interface Props {
  readonly command: Command;
  readonly word: string;
  readonly isDanger: boolean;
}

/** The word, the token where it is not known yet, and a button that works only while a command can be sent. */
export function Confirmation({ command, word, isDanger }: Props): ReactNode {
  const [typed, setTyped] = useState("");
  const [token, setToken] = useState("");
  const trouble = useConsole(linkTrouble);
  const id = useId();
  const isReady = typed === word && (!command.needsToken || token !== "") && trouble === null;
  return (
    <form
      className="confirmation"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) command.send(typed, token.trim());
      }}
    >
      <label htmlFor={`${id}-word`}>
        Type <kbd>{word}</kbd> to confirm
      </label>
      <input
        id={`${id}-word`}
        className="field"
        data-testid="kill-word"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
      />
      {command.needsToken && (
        <>
          <label htmlFor={`${id}-token`}>
            Control token (in the link that the trader printed at its start)
          </label>
          <input
            id={`${id}-token`}
            className="field"
            data-testid="token"
            type="password"
            autoComplete="off"
            value={token}
            onChange={({ target }) => setToken(target.value)}
          />
        </>
      )}
      <p className="problem" role="alert" data-testid="command-problem">
        {trouble ?? command.problem}
      </p>
      <div className="choices">
        <button
          type="submit"
          className={isDanger ? "button danger" : "button"}
          data-testid="kill-confirm"
          disabled={!isReady}
        >
          {word}
        </button>
        <Cancel />
      </div>
    </form>
  );
}

function Cancel(): ReactNode {
  return (
    <button
      type="button"
      className="button"
      onClick={({ currentTarget }) => currentTarget.closest("dialog")?.close()}
    >
      cancel (Esc)
    </button>
  );
}

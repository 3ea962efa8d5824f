import { useState } from "react";
import { useCommander } from "../../feed/hooks";
import type { Ask } from "../../feed/store";

export interface Command {
  /** Of the request that is under way or answered; null: nothing has been sent. */
  readonly id: string | null;
  /** Why it was not sent; then it never will be. */
  readonly problem: string | null;
  readonly needsToken: boolean;
  readonly send: (confirm: string, token: string) => void;
  /** Begin anew, with another token. */
  readonly again: () => void;
}

/** One command from the question to the answer. */
export function useCommand(ask: Ask): Command {
  const commander = useCommander();
  const [id, setId] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [needsToken, setNeedsToken] = useState(!commander.hasToken());
  return {
    id,
    problem,
    needsToken,
    send: (confirm, token) => {
      const sent = commander.send(ask, confirm, token);
      setId(sent);
      setProblem(
        sent === null ? "Not sent: there is no connection to the trader. It will not be sent later." : null,
      );
    },
    again: () => {
      commander.forgetToken();
      setNeedsToken(true);
      setId(null);
    },
  };
}

import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { linkTrouble } from "./trouble";

interface Props {
  readonly id: string;
  readonly onAgain: () => void;
}

/** What the trader said to it. A link that broke in between leaves it open, and that is said. */
export function Answer({ id, onAgain }: Props): ReactNode {
  const answer = useConsole((state) => state.live.results.find((one) => one.id === id));
  const trouble = useConsole(linkTrouble);
  return (
    <div className="answer">
      <p role="status" data-testid="command-result" data-ok={answer?.ok}>
        {answer === undefined
          ? (trouble !== null &&
              "Sent, but the link broke before the answer: it may have been carried out.") ||
            "Sent."
          : `${answer.ok ? "✓ Done" : "✕ Refused"}: ${answer.reason}`}
      </p>
      <form method="dialog" className="choices">
        <button type="submit" className="button" data-testid="command-close">
          close
        </button>
        {answer?.ok === false && (
          <button type="button" className="button" onClick={onAgain}>
            try again
          </button>
        )}
      </form>
    </div>
  );
}

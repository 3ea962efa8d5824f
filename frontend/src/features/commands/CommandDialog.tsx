import { type ReactNode, useEffect, useRef } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import type { Ask } from "../../feed/store";
import { dollars } from "../../ui/format";
import { Answer } from "./Answer";
import { Confirmation } from "./Confirmation";
import { useCommand } from "./useCommand";
import { verbOf } from "./verbs";

/** The verbs that take orders back: what rests, and a pause of the exchange, concern them. */
const CANCELS: ReadonlySet<string> = new Set(["halt", "cancel_all"]);

/** The dialog of whichever command was asked for. */
export function CommandDialog(): ReactNode {
  const asked = useConsole((state) => state.asked);
  return asked === null ? null : <Dialog key={JSON.stringify(asked)} ask={asked} />;
}

/** Names the environment and the effect, has the word typed, and stays until the trader's answer has been read. */
function Dialog({ ask }: { readonly ask: Ask }): ReactNode {
  const store = useStore();
  const environment = useConsole((state) => state.live.connection?.environment.toUpperCase() ?? "");
  const resting = useConsole((state) => state.live.risk?.resting_orders);
  const worstCase = useConsole((state) => state.live.trading?.pnl.worst_case);
  const pause = useConsole((state) => state.live.feed?.exchange.sentence ?? null);
  const dialog = useRef<HTMLDialogElement>(null);
  const command = useCommand(ask);
  const verb = verbOf(ask.verb);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      className="dialog command"
      data-danger={verb.isDanger}
      aria-labelledby="command-title"
      onClose={() => store.ask(null)}
    >
      <h2 id="command-title">
        <span className="environment" data-environment={environment.toLowerCase()}>
          {environment}
        </span>{" "}
        {verb.title(ask.args)}
      </h2>
      <ul className="effect">
        {verb.effect.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
        {CANCELS.has(ask.verb) && resting !== undefined && <li>Resting orders now: {resting}.</li>}
        {ask.verb === "halt" && worstCase !== undefined && (
          <li>
            Held now, at worst lost:{" "}
            {worstCase === null ? "not known, the account was not read" : dollars(worstCase)}.
          </li>
        )}
        {CANCELS.has(ask.verb) && pause !== null && <li>The exchange: {pause}</li>}
      </ul>
      {command.id === null ? (
        <Confirmation command={command} word={verb.word(ask.args, environment)} isDanger={verb.isDanger} />
      ) : (
        <Answer id={command.id} onAgain={command.again} />
      )}
    </dialog>
  );
}

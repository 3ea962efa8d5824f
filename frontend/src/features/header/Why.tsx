import type { ReactNode } from "react";
import { useConsole, useLocalNow } from "../../feed/hooks";
import { type ConsoleState, linkWord } from "../../feed/store";
import { duration } from "../../ui/format";
import { BackToNow } from "./BackToNow";

/** The line below: why the link, the health or the state is as it is, worst first. Always there, so nothing jumps. */
export function Why(): ReactNode {
  const word = useConsole(linkWord);
  const why = useConsole(say);
  const retryAtMs = useConsole((state) => state.link.retryAtMs);
  return (
    <p className="why" data-testid="why" title={why}>
      {word === "past" && <BackToNow />}
      {why}
      {retryAtMs !== null && <Retry atMs={retryAtMs} />}
    </p>
  );
}

function Retry({ atMs }: { readonly atMs: number }): ReactNode {
  const leftMs = atMs - useLocalNow();
  return ` Trying again ${leftMs > 0 ? `in ${duration(leftMs + 999)}` : "now"}.`;
}

function say(state: ConsoleState): string {
  const { model, rejected } = state;
  switch (linkWord(state)) {
    case "connecting":
      return rejected > 0
        ? `The trader speaks a protocol that this page cannot read (${rejected} messages). Reload the page.`
        : "Waiting for the trader at this address. This page connects by itself as soon as it starts.";
    case "down":
      return "No connection to the trader. All below is what it last said; it may trade on without being seen.";
    case "silent":
      return "The socket is open, but the trader has stopped talking. All below is what it last said.";
    case "paused":
      return "The view is held (Space lets it go on). All below is as it was then; the trader goes on.";
    case "past":
      return pastOf(state);
    case "live":
      return [...reasonsOf(model), model.trader?.context ?? ""].join(" · ");
  }
}

function pastOf({ view, past, link }: ConsoleState): string {
  const number = `event #${view.at?.toLocaleString("en-US")}`;
  if (past.problem !== null) return `${number} cannot be shown: ${past.problem}.`;
  if (past.answered !== view.at) return `Asking the trader for ${number}.`;
  const now = link.status === "live" ? "The trader goes on underneath." : `The link is ${link.status}.`;
  return `${number}: all below is as it was then. ${now}`;
}

function reasonsOf({ trader }: ConsoleState["model"]): readonly string[] {
  return trader?.reasons.map(({ component, message }) => `${component}: ${message}`) ?? [];
}

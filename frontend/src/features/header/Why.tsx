import type { ReactNode } from "react";
import { useConsole, useLocalNow } from "../../feed/hooks";
import type { ConsoleState } from "../../feed/store";
import { duration } from "../../ui/format";

/** The line below: why the link, the health or the state is as it is, worst first. Always there, so nothing jumps. */
export function Why(): ReactNode {
  const why = useConsole(say);
  const retryAtMs = useConsole((state) => state.link.retryAtMs);
  return (
    <p className="why" data-testid="why" title={why}>
      {why}
      {retryAtMs !== null && <Retry atMs={retryAtMs} />}
    </p>
  );
}

function Retry({ atMs }: { readonly atMs: number }): ReactNode {
  const leftMs = atMs - useLocalNow();
  return ` Trying again ${leftMs > 0 ? `in ${duration(leftMs + 999)}` : "now"}.`;
}

function say({ model, link, rejected }: ConsoleState): string {
  switch (link.status) {
    case "connecting":
      return rejected > 0
        ? `The trader speaks a protocol that this page cannot read (${rejected} messages). Reload the page.`
        : "Waiting for the trader at this address. This page connects by itself as soon as it starts.";
    case "down":
      return "No connection to the trader. All below is what it last said; it may trade on without being seen.";
    case "silent":
      return "The socket is open, but the trader has stopped talking. All below is what it last said.";
    case "live":
      return [...reasonsOf(model), model.trader?.context ?? ""].join(" · ");
  }
}

function reasonsOf({ trader }: ConsoleState["model"]): readonly string[] {
  return trader?.reasons.map(({ component, message }) => `${component}: ${message}`) ?? [];
}

/**
 * Commands to the trader. One is sent now or never: what cannot leave at once is refused here, and nothing is queued.
 *
 * The control token lives in this closure only: not in the store, the address or any storage.
 */
import type { Socket } from "./socket";
import type { Ask, Store } from "./store";

export interface Commander {
  readonly hasToken: () => boolean;
  /** Forget a token that the trader refused. */
  readonly forgetToken: () => void;
  /** Send it now. Returns the id that its answer will carry, or null if it could not be sent; then it never is. */
  readonly send: (ask: Ask, confirm: string, token: string) => string | null;
}

/** The token that the link in the trader's terminal carries; empty if there is none. */
export function tokenIn(hash: string): string {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") ?? "";
}

/** `token`: the one that came with the address, or empty; one that a person types with a command is kept instead. */
export function createCommander(store: Store, socket: Pick<Socket, "send">, token: string): Commander {
  let kept = token;
  let sent = 0;
  return {
    hasToken: () => kept !== "",
    forgetToken: () => {
      kept = "";
    },
    send: ({ verb, args }, confirm, typed) => {
      kept = typed === "" ? kept : typed;
      sent += 1;
      const { live, link } = store.latest();
      if (live.connection === null || link.status !== "live") return null;
      const id = `${live.connection.client_id}-${sent}`;
      const data = { id, name: verb, args, confirm, token: kept };
      return socket.send(JSON.stringify({ type: "command", data })) ? id : null;
    },
  };
}

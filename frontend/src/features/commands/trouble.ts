import type { ConsoleState } from "../../feed/store";

/** Why no command can be sent now, and what a person can do instead; null if one can. */
export function linkTrouble({ link }: ConsoleState): string | null {
  if (link.status === "live") return null;
  return `The link is ${link.status}: nothing can be sent, and nothing is kept to be sent later. To halt trading from a terminal: traderv3 halt.`;
}

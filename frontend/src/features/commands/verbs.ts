/** What each command of the trader means to a person: its name, what it does, what it leaves, and what must be typed. */
import type { Ask } from "../../feed/store";

export interface Verb {
  readonly title: (args: Ask["args"]) => string;
  /** What happens, and what does not. */
  readonly effect: readonly string[];
  /** The confirmation, which the trader checks too. */
  readonly word: (args: Ask["args"], environment: string) => string;
  readonly isDanger: boolean;
}

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  [
    "halt",
    {
      title: () => "Halt trading",
      effect: [
        "Cancels every order of the account, those made by hand too, and sends no new one until trading is resumed. A restart does not lift it.",
        "Positions stay as they are: a halt sells nothing. Market data goes on.",
        "While the exchange itself is paused it takes no cancels; in a pause of trading it does.",
      ],
      word: (_, environment) => `HALT ${environment}`,
      isDanger: true,
    },
  ],
  [
    "pause",
    {
      title: () => "Pause entries",
      effect: [
        "Opens no new exposure. Orders that reduce a position go on, and resting orders stay.",
        "A restart does not lift it; only resuming does.",
      ],
      word: (_, environment) => `PAUSE ${environment}`,
      isDanger: false,
    },
  ],
  [
    "cancel_all",
    {
      title: () => "Cancel all orders",
      effect: [
        "Cancels every order of ours that rests now; those made by hand stay.",
        "The strategy goes on and may quote again at once. To keep it from that, pause entries or halt.",
        "Positions stay as they are.",
      ],
      word: (_, environment) => `CANCEL ALL ${environment}`,
      isDanger: false,
    },
  ],
  [
    "resume",
    {
      title: () => "Resume trading",
      effect: ["Lifts the pause or the halt. The trader may open positions again."],
      word: (_, environment) => `RESUME ${environment}`,
      isDanger: true,
    },
  ],
  [
    "resync",
    {
      title: ({ ticker }) => (ticker === undefined ? "Resync every book" : `Resync the book of ${ticker}`),
      effect: [
        "Asks the venue for a fresh snapshot. Until it is here the book is stale, and nothing trades on it.",
      ],
      word: ({ ticker }) => ticker ?? "ALL",
      isDanger: false,
    },
  ],
  [
    "reconnect",
    {
      title: ({ connection }) => `Reconnect ${connection}`,
      effect: [
        "Closes this connection to the venue and makes it anew. Its books are stale until their snapshots.",
      ],
      word: ({ connection }) => connection ?? "",
      isDanger: false,
    },
  ],
  [
    "restart_actor",
    {
      title: ({ name }) => `Restart ${name}`,
      effect: ["Ends this actor and starts it afresh under its supervisor; it counts against its restarts."],
      word: ({ name }) => name ?? "",
      isDanger: false,
    },
  ],
]);

/** A newer trader may know verbs that this page does not: those are shown by their own names. */
export function verbOf(name: string): Verb {
  return (
    VERBS.get(name) ?? {
      title: () => name,
      effect: ["This page does not know what this command does."],
      word: () => name,
      isDanger: true,
    }
  );
}

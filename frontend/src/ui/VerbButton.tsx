import type { ReactNode } from "react";
import { useConsole, useStore } from "../feed/hooks";

interface Props {
  /** A command of the server, as in `connection.commands`. */
  readonly verb: string;
  readonly args: Readonly<Record<string, string>>;
  /** What stands on the button. */
  readonly label: string;
  /** For a screen reader, where the label alone does not say of what. */
  readonly name?: string;
  readonly testId?: string;
}

/** Asks for a command: opens the dialog that names the effect. Disabled, with the reason, while nothing can be sent. */
export function VerbButton({ verb, args, label, name, testId }: Props): ReactNode {
  const store = useStore();
  const reason = useConsole(({ link, view, live }) => {
    if (link.status !== "live") return `the link is ${link.status}`;
    if (view.at !== null && Object.keys(args).length > 0) return "what is shown is the past";
    return live.connection?.commands.includes(verb) ? null : "this trader does not take it";
  });
  return (
    <button
      type="button"
      className="button verb"
      data-testid={testId}
      data-verb={verb}
      aria-label={name}
      disabled={reason !== null}
      title={reason ?? name ?? label}
      onClick={() => store.ask({ verb, args })}
    >
      {label}
    </button>
  );
}

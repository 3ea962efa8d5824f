import { type ReactNode, useEffect, useState } from "react";
import { useConsole } from "../../feed/hooks";
import { type ConsoleState, linkWord } from "../../feed/store";

const QUIET_MS = 2_000;

/** Says link, state and alarms to a screen reader, at most once in two seconds; the log itself stays silent. */
export function Announcer(): ReactNode {
  const words = useConsole(say);
  const [said, setSaid] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSaid(words), QUIET_MS);
    return () => clearTimeout(timer);
  }, [words]);
  return (
    <p className="unseen" role="status" aria-live="polite">
      {said}
    </p>
  );
}

function say(state: ConsoleState): string {
  const { trader, alerts, risk } = state.model;
  const words = [`Link ${linkWord(state)}, state ${trader?.state ?? "unknown"}`];
  if (risk !== null && risk.mode !== "active") words.push(`trading ${risk.mode}`);
  if (alerts.size > 0) words.push(alerts.size === 1 ? "1 alarm" : `${alerts.size} alarms`);
  return words.join(", ");
}

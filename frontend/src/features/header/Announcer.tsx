import { type ReactNode, useEffect, useState } from "react";
import { useConsole } from "../../feed/hooks";

const QUIET_MS = 2_000;

/** Says link and state to a screen reader, at most once in two seconds; the log itself stays silent. */
export function Announcer(): ReactNode {
  const words = useConsole(
    ({ link, model }) => `Link ${link.status}, state ${model.trader?.state ?? "unknown"}`,
  );
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

import type { ReactNode } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { useHotkey } from "../../ui/hotkey";
import { VerbButton } from "../../ui/VerbButton";
import { ClockButton } from "./ClockButton";
import { HelpButton } from "./HelpButton";
import { ThemeButton } from "./ThemeButton";

/** What a person may do from anywhere. The halt is last, at the edge, where the hand finds it. */
export function Controls(): ReactNode {
  const mode = useConsole((state) => state.live.risk?.mode ?? "active");
  const canHalt = useConsole(
    ({ link, live }) => link.status === "live" && live.connection?.commands.includes("halt") === true,
  );
  const store = useStore();
  useHotkey("K", () => canHalt && store.ask({ verb: "halt", args: {} }));
  return (
    <div className="controls">
      <ClockButton />
      <ThemeButton />
      <HelpButton />
      {mode === "active" ? (
        <VerbButton
          verb="pause"
          args={{}}
          label="❚❚ entries"
          name="entries: pause them"
          testId="pause-entries"
        />
      ) : (
        <VerbButton verb="resume" args={{}} label="▶ resume" name="resume trading" testId="resume-trading" />
      )}
      <VerbButton
        verb="cancel_all"
        args={{}}
        label="✕ orders"
        name="orders: cancel all of ours"
        testId="cancel-all"
      />
      <VerbButton verb="halt" args={{}} label="■ KILL" name="KILL: halt trading (Shift+K)" testId="kill" />
    </div>
  );
}

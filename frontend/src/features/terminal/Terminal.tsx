import { type ReactNode, useRef, useState } from "react";
import { useConsole } from "../../feed/hooks";
import { lineText } from "../../model/lines";
import type { Line } from "../../model/model";
import type { Ring } from "../../model/ring";
import { CopyButton } from "../../ui/CopyButton";
import { useHotkey } from "../../ui/hotkey";
import { Panel } from "../../ui/Panel";
import { Words } from "../../ui/Words";
import { createMatcher, type Level } from "./filter";
import { LogWindow } from "./LogWindow";
import { PauseButton } from "./PauseButton";
import { Toolbar } from "./Toolbar";

const COPY_MAX = 1_000;

/** What the trader's log says, as it says it. Paused, the view stands still and intake goes on. */
export function Terminal(): ReactNode {
  const lines = useConsole((state) => state.model.lines);
  const [frozen, setFrozen] = useState<Ring<Line> | null>(null);
  const [text, setText] = useState("");
  const [level, setLevel] = useState<Level>("debug");
  const [match] = useState(createMatcher);
  const filter = useRef<HTMLInputElement>(null);

  // A new epoch is a new list: what was frozen is of a process that is gone.
  const held = frozen !== null && lines.continues(frozen) ? frozen : null;
  const shown = match(held ?? lines, { text, level });
  const togglePause = () => setFrozen(held === null ? lines : null);
  useHotkey("/", () => filter.current?.focus());
  useHotkey(" ", togglePause);

  return (
    <Panel
      title="Terminal"
      room="terminal"
      testId="terminal"
      aside={
        <>
          <Toolbar ref={filter} text={text} level={level} onText={setText} onLevel={setLevel} />
          <PauseButton missed={held === null ? null : lines.total - held.total} onToggle={togglePause} />
          <CopyButton
            label="copy the lines as text"
            text={() => shown.slice(-COPY_MAX).map(lineText).join("\n")}
          />
        </>
      }
    >
      {shown.length === 0 ? (
        <Words
          connecting="The log begins with the first answer of the trader."
          empty={lines.length === 0 ? "Nothing logged yet." : "No line matches the filter."}
        />
      ) : (
        <LogWindow lines={shown} />
      )}
    </Panel>
  );
}

/** The row that the keys act on, whether it is expanded, and the rows that the person has marked. */
import { useState } from "react";
import { lineText } from "../../model/lines";
import type { Line } from "../../model/model";
import type { Ring } from "../../model/ring";
import { useHotkey } from "../../ui/hotkey";

export interface Choice {
  /** Null when none is chosen, or when it is gone. */
  readonly line: Line | null;
  readonly isOpen: boolean;
  readonly marks: ReadonlySet<Line>;
  readonly choose: (line: Line) => void;
  /** Chooses and expands; what is expanded already is closed. */
  readonly open: (id: number) => void;
  readonly close: () => void;
  readonly mark: () => void;
}

export function useChoice(lines: Ring<Line>): Choice {
  const [chosen, setChosen] = useState<Line | null>(null);
  const [isOpen, setIsOpen] = useState(false);
  const [marks, setMarks] = useState<ReadonlySet<Line>>(new Set());

  const held = (id: number) => lines.at(id - (lines.at(0)?.id ?? 0)) ?? null;
  const line = chosen !== null && held(chosen.id) === chosen ? chosen : null;
  const mark = () => {
    if (line === null) return;
    const next = new Set(marks);
    if (!next.delete(line)) next.add(line);
    setMarks(next);
  };
  useHotkey("Enter", () => setIsOpen(line !== null && !isOpen));
  useHotkey("m", mark);
  useHotkey("c", () => {
    if (line !== null) navigator.clipboard.writeText(lineText(line));
  });
  return {
    line,
    isOpen,
    marks,
    choose: setChosen,
    open: (id) => {
      const next = held(id);
      setIsOpen(next !== line || !isOpen);
      setChosen(next);
    },
    close: () => setIsOpen(false),
    mark,
  };
}

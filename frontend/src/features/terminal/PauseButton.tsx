import type { ReactNode } from "react";
import { count } from "../../ui/format";

interface Props {
  /** Lines that came since the pause; null while not paused. */
  readonly missed: number | null;
  readonly onToggle: () => void;
}

/** As wide as its longest word, so that a growing number moves nothing. */
export function PauseButton({ missed, onToggle }: Props): ReactNode {
  return (
    <button
      type="button"
      className="button pause"
      data-testid="pause"
      aria-pressed={missed !== null}
      title="pause the view (Space)"
      onClick={onToggle}
    >
      {missed === null ? "❚❚ pause" : `▶ resume (+${count(missed)})`}
    </button>
  );
}

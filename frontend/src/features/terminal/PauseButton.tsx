import type { ReactNode } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { count } from "../../ui/format";
import { useHotkey } from "../../ui/hotkey";

/** Holds everything that is shown. As wide as its longest word, so that a growing number moves nothing. */
export function PauseButton(): ReactNode {
  const store = useStore();
  const isPaused = useConsole((state) => state.isPaused);
  const missed = useConsole(({ live, model }) => live.lines.total - model.lines.total);
  useHotkey(" ", store.togglePause);
  return (
    <button
      type="button"
      className="button pause"
      data-testid="pause"
      aria-pressed={isPaused}
      title="pause the view (Space)"
      onClick={store.togglePause}
    >
      {isPaused ? `▶ resume (+${count(Math.max(0, missed))})` : "❚❚ pause"}
    </button>
  );
}

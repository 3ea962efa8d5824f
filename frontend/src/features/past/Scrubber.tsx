import type { ReactNode } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { momentAfter, momentBefore } from "../../model/moments";
import { count } from "../../ui/format";
import { useHotkey } from "../../ui/hotkey";

/** As many events as the trader keeps; what it no longer has it refuses, with its range. */
const EVENTS_MAX = 20_000;

/** The way through time: every panel follows it. At its right end is now. */
export function Scrubber(): ReactNode {
  const at = useConsole((state) => state.view.at);
  const seq = useConsole((state) => state.live.seq);
  const isSynced = useConsole((state) => state.live.isSynced);
  const transitions = useConsole((state) => state.live.transitions);
  const store = useStore();
  const goTo = (moment: number | null) => store.setView({ at: moment });
  const back = () => {
    const moment = momentBefore(transitions, at);
    if (moment !== null) goTo(moment);
  };
  const forth = () => {
    if (at !== null) goTo(momentAfter(transitions, at));
  };
  useHotkey("[", back);
  useHotkey("]", forth);
  useHotkey("Escape", () => goTo(null));
  const oldest = Math.max(1, seq - EVENTS_MAX + 1);
  return (
    <div className="scrubber" data-past={at !== null}>
      <button
        type="button"
        className="button"
        aria-label="previous transition ([)"
        title="previous transition ([)"
        disabled={momentBefore(transitions, at) === null}
        onClick={back}
      >
        [
      </button>
      <input
        type="range"
        data-testid="scrubber"
        aria-label="event shown"
        aria-valuetext={at === null ? "now" : `event ${at}`}
        min={oldest}
        max={Math.max(oldest, seq)}
        value={at ?? seq}
        disabled={!isSynced || seq <= 1}
        onChange={({ target }) => goTo(target.valueAsNumber >= seq ? null : target.valueAsNumber)}
      />
      <button
        type="button"
        className="button"
        aria-label="next transition (])"
        title="next transition (])"
        disabled={at === null}
        onClick={forth}
      >
        ]
      </button>
      <span className="scrubber-at" aria-hidden="true">
        {at === null ? "now" : `#${count(at)}`}
      </span>
    </div>
  );
}

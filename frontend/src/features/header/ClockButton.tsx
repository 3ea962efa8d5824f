import type { ReactNode } from "react";
import { useConsole, useStore, useWallNow } from "../../feed/hooks";
import { wallClock } from "../../ui/format";
import { useHotkey } from "../../ui/hotkey";

/** The time now, which is true whatever the link does, and the zone that every time on the page is in. */
export function ClockButton(): ReactNode {
  const tz = useConsole((state) => state.view.tz);
  const store = useStore();
  const nowMs = useWallNow();
  const toggle = () => store.setView({ tz: tz === "utc" ? "local" : "utc" });
  useHotkey("u", toggle);
  return (
    <button
      type="button"
      className="button clock"
      data-testid="clock"
      title="UTC or local time (u)"
      onClick={toggle}
    >
      <time>{wallClock(nowMs, tz)}</time> <span className="unit">{tz === "utc" ? "UTC" : "local"}</span>
    </button>
  );
}

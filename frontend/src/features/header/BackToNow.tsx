import type { ReactNode } from "react";
import { useConsole, useStore, useWallNow } from "../../feed/hooks";
import { duration, lapse } from "../../ui/format";

/** How far back this is, and the way out; asks again for a past that could not be shown. */
export function BackToNow(): ReactNode {
  const at = useConsole((state) => state.view.at);
  const problem = useConsole((state) => state.past.problem);
  const atMs = useConsole(({ model, past, view }) => (past.answered === view.at ? model.atMs : null));
  const store = useStore();
  const nowMs = useWallNow();
  const agoMs = atMs === null ? null : nowMs - atMs;
  return (
    <>
      {agoMs !== null && problem === null && (
        <strong className="ago">⟲ {agoMs < 60_000 ? lapse(Math.max(0, agoMs)) : duration(agoMs)} ago</strong>
      )}
      <button type="button" className="button" data-testid="now" onClick={() => store.setView({ at: null })}>
        now (Esc)
      </button>
      {problem !== null && (
        <button type="button" className="button" data-testid="again" onClick={() => store.setView({ at })}>
          try again
        </button>
      )}
    </>
  );
}

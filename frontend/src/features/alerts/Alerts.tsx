import { type ReactNode, useState } from "react";
import { useConsole } from "../../feed/hooks";
import { AsOf } from "../../ui/AsOf";
import { Words } from "../../ui/Words";
import { AlarmButton } from "./AlarmButton";
import { AlertRow } from "./AlertRow";
import { occurrence, troubles } from "./troubles";

/**
 * A strip of all that a person should look at now: the worst first, opened to a list by its button. What has not been
 * seen stays marked and counted.
 */
export function Alerts(): ReactNode {
  const alerts = useConsole((state) => state.model.alerts);
  const warnings = useConsole((state) => state.model.warnings);
  const [isOpen, setIsOpen] = useState(false);
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const rows = troubles(alerts, warnings);
  const fresh = rows.filter((row) => !seen.has(occurrence(row)));
  // Only what is still there is remembered, so that the memory is no longer than the list.
  const see = (more: readonly string[]) =>
    setSeen(new Set([...rows.map(occurrence).filter((one) => seen.has(one)), ...more]));
  const worst = fresh.some(({ level }) => level === "error") ? "error" : "warning";
  return (
    <section
      className="alarms"
      data-room="alerts"
      aria-labelledby="alarms-title"
      data-open={isOpen && rows.length > 0}
      data-level={fresh.length > 0 ? worst : "none"}
    >
      <header className="alarms-head">
        <h2 id="alarms-title">Alarms</h2>
        <span className="fact alarm-count" data-testid="alert-count">
          {rows.length > 0 && `${fresh.length} new of ${rows.length}`}
        </span>
        <AsOf />
      </header>
      {rows.length === 0 ? (
        <Words
          connecting="Nothing known yet, neither good nor bad."
          empty="✓ No alarm, and no reason for one."
        />
      ) : (
        <ul className="alerts">
          {rows.map((row) => (
            <AlertRow
              key={row.id}
              row={row}
              isSeen={seen.has(occurrence(row))}
              onSeen={() => see([occurrence(row)])}
            />
          ))}
        </ul>
      )}
      <div className="alarms-acts">
        {rows.length > 0 && (
          <>
            <button
              type="button"
              className="button all-seen"
              disabled={fresh.length === 0}
              onClick={() => see(rows.map(occurrence))}
            >
              ✓ all seen
            </button>
            <button
              type="button"
              className="button"
              aria-expanded={isOpen}
              onClick={() => setIsOpen(!isOpen)}
            >
              {isOpen ? "▴ less" : "▾ list"}
            </button>
          </>
        )}
        <AlarmButton />
      </div>
    </section>
  );
}

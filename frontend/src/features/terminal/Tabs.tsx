import type { KeyboardEvent, ReactNode } from "react";
import { useConsole, useStore } from "../../feed/hooks";
import { TABS, type Tab } from "../../model/view";
import { useHotkey } from "../../ui/hotkey";

/** 1 to 5 from anywhere, arrows within. */
export function Tabs(): ReactNode {
  const store = useStore();
  const chosen = useConsole((state) => state.view.tab);
  const show = (tab: Tab | undefined) => {
    if (tab !== undefined) store.setView({ tab });
  };
  useHotkey("1", () => show(TABS[0]));
  useHotkey("2", () => show(TABS[1]));
  useHotkey("3", () => show(TABS[2]));
  useHotkey("4", () => show(TABS[3]));
  useHotkey("5", () => show(TABS[4]));

  const walk = ({ key }: KeyboardEvent) => {
    const by = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
    const next = by === 0 ? undefined : TABS.at((TABS.indexOf(chosen) + by) % TABS.length);
    if (next === undefined) return;
    show(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label="Events and trading" onKeyDown={walk}>
      {TABS.map((tab, index) => (
        <button
          key={tab}
          type="button"
          role="tab"
          className="tab"
          id={`tab-${tab}`}
          data-testid={`tab-${tab}`}
          aria-selected={tab === chosen}
          aria-controls="tab-panel"
          tabIndex={tab === chosen ? 0 : -1}
          title={`${tab} (${index + 1})`}
          onClick={() => show(tab)}
        >
          {tab}
        </button>
      ))}
    </div>
  );
}

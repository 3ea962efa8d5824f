import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { Tab } from "../../model/view";
import { AsOf } from "../../ui/AsOf";
import { Decisions } from "../trading/Decisions";
import { Orders } from "../trading/Orders";
import { Positions } from "../trading/Positions";
import { Events } from "./Events";
import { PauseButton } from "./PauseButton";
import { RiskTab } from "./RiskTab";
import { Tabs } from "./Tabs";

const BODY: Readonly<Record<Tab, () => ReactNode>> = {
  events: () => <Events />,
  orders: () => <Orders />,
  positions: () => <Positions />,
  decisions: () => <Decisions />,
  risk: () => <RiskTab />,
};

/** What happened, and what trading has done about it. */
export function Terminal(): ReactNode {
  const tab = useConsole((state) => state.view.tab);
  return (
    <section className="panel" data-room="terminal" data-testid="terminal" aria-labelledby="terminal-title">
      <header className="panel-head">
        <h2 className="unseen" id="terminal-title">
          Events and trading
        </h2>
        <Tabs />
        <AsOf />
        <PauseButton />
      </header>
      <div className="tab-panel" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {BODY[tab]()}
      </div>
    </section>
  );
}

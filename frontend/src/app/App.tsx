import type { ReactNode } from "react";
import { Alerts } from "../features/alerts/Alerts";
import { Announcer } from "../features/header/Announcer";
import { Header } from "../features/header/Header";
import { PageTitle } from "../features/header/PageTitle";
import { History } from "../features/history/History";
import { Markets } from "../features/markets/Markets";
import { MetricsPanel } from "../features/metrics/MetricsPanel";
import { StateMachine } from "../features/state-machine/StateMachine";
import { Supervision } from "../features/supervision/Supervision";
import { Terminal } from "../features/terminal/Terminal";
import { useConsole } from "../feed/hooks";

/** The whole wall. `data-live=false` is what strikes every fact through; before the first answer there is none. */
export function App(): ReactNode {
  const status = useConsole((state) => state.link.status);
  const environment = useConsole((state) => state.model.connection?.environment);
  return (
    <div
      className="console"
      data-live={status === "connecting" ? undefined : status === "live"}
      data-environment={environment}
    >
      <PageTitle />
      <Announcer />
      <Header />
      <main className="wall">
        <StateMachine />
        <Alerts />
        <History />
        <Supervision />
        <Markets />
        <MetricsPanel />
        <Terminal />
      </main>
    </div>
  );
}

import type { ReactNode } from "react";
import { Alerts } from "../features/alerts/Alerts";
import { CommandDialog } from "../features/commands/CommandDialog";
import { FeedQuality } from "../features/feed-quality/FeedQuality";
import { Announcer } from "../features/header/Announcer";
import { Header } from "../features/header/Header";
import { PageTitle } from "../features/header/PageTitle";
import { History } from "../features/history/History";
import { Ladder } from "../features/ladder/Ladder";
import { Throughput } from "../features/latency/Throughput";
import { Markets } from "../features/markets/Markets";
import { MetricsPanel } from "../features/metrics/MetricsPanel";
import { Scrubber } from "../features/past/Scrubber";
import { StateMachine } from "../features/state-machine/StateMachine";
import { Supervision } from "../features/supervision/Supervision";
import { Terminal } from "../features/terminal/Terminal";
import { useConsole } from "../feed/hooks";
import { type ConsoleState, linkWord } from "../feed/store";

/** The whole wall. `data-live` says how every fact on it looks; before the first answer there is none. */
export function App(): ReactNode {
  const liveness = useConsole(livenessOf);
  const environment = useConsole((state) => state.live.connection?.environment);
  return (
    <div className="console" data-live={liveness} data-environment={environment}>
      <PageTitle />
      <Announcer />
      <Header />
      <main className="wall">
        <Alerts />
        <StateMachine>
          <History />
          <Scrubber />
        </StateMachine>
        <Markets />
        <Ladder />
        <Supervision />
        <Throughput />
        <FeedQuality />
        <MetricsPanel />
        <Terminal />
      </main>
      <CommandDialog />
    </div>
  );
}

/** `true` only while it is now and the link is live. */
function livenessOf(state: ConsoleState): string | undefined {
  const word = linkWord(state);
  if (word === "connecting") return undefined;
  return word === "silent" || word === "down" ? "false" : word === "live" ? "true" : word;
}

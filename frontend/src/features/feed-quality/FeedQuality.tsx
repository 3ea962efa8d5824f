import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import type { FeedReport } from "../../protocol/messages";
import { Num } from "../../ui/Num";
import { Panel } from "../../ui/Panel";
import { Scroll } from "../../ui/Scroll";
import { VerbButton } from "../../ui/VerbButton";
import { Words } from "../../ui/Words";
import { Connections } from "./Connections";
import { CrossCheck } from "./CrossCheck";
import { ConnectionHistory, Gaps } from "./Journals";
import { Rest } from "./Rest";
import { exchangeWords } from "./words";

/** How good the market data is: where it comes from, what went missing, and whether a second source agrees. */
export function FeedQuality(): ReactNode {
  const feed = useConsole((state) => state.model.feed);
  const gaps = useConsole((state) => state.model.trader?.metrics.gaps_detected);
  const resyncs = useConsole((state) => state.model.trader?.metrics.resyncs);
  return (
    <Panel
      title="Feed quality"
      room="feed-quality"
      testId="feed-quality"
      aside={
        feed !== null && (
          <>
            <span className="feed-counts">
              <Num value={gaps} unit="gaps" /> · <Num value={resyncs} unit="resyncs" />
            </span>
            <VerbButton
              verb="resync"
              args={{}}
              label="resync all"
              name="resync all: ask for every book anew"
            />
          </>
        )
      }
    >
      <Scroll label="Feed quality">
        {feed === null ? (
          <Words
            connecting="How good the data is comes with the first answer of the trader."
            empty="No report."
          />
        ) : (
          <Report feed={feed} />
        )}
      </Scroll>
    </Panel>
  );
}

function Report({ feed }: { readonly feed: FeedReport }): ReactNode {
  return (
    <div className="feed-report">
      <Connections connections={feed.connections} />
      <p className="exchange" data-testid="exchange">
        {exchangeWords(feed.exchange)}
      </p>
      <CrossCheck check={feed.cross_check} />
      <Rest rest={feed.rest} />
      <h3>Gaps</h3>
      <Gaps gaps={feed.gaps} />
      <h3>Connections made and lost</h3>
      <ConnectionHistory events={feed.connection_events} />
    </div>
  );
}

import { type ReactNode, useId } from "react";
import { AsOf } from "./AsOf";

interface Props {
  readonly title: string;
  /** Names the grid area. */
  readonly room: string;
  readonly aside?: ReactNode;
  readonly testId?: string;
  readonly children: ReactNode;
}

/** One room on the wall: a heading, how old it is when it is not live, and a body that scrolls by itself. */
export function Panel({ title, room, aside, testId, children }: Props): ReactNode {
  const id = useId();
  return (
    <section className="panel" data-room={room} data-testid={testId} aria-labelledby={id}>
      <header className="panel-head">
        <h2 id={id}>{title}</h2>
        <AsOf />
        <div className="panel-aside">{aside}</div>
      </header>
      {children}
    </section>
  );
}

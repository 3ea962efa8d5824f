import type { ReactNode } from "react";
import { useConsole } from "../feed/hooks";

interface Props {
  /** While nothing has been heard yet. */
  readonly connecting: string;
  /** When we know that there is nothing. */
  readonly empty: string;
}

/** What an empty panel says, which depends on whether it is known to be empty. */
export function Words({ connecting, empty }: Props): ReactNode {
  const isSynced = useConsole((state) => state.model.isSynced);
  return <p className="words">{isSynced ? empty : connecting}</p>;
}

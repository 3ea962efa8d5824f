import type { ReactNode } from "react";
import { useConsole } from "../feed/hooks";

/** Counts of what we hold say nothing before the trader has answered: then there is no 0, there is nothing. */
export function Known({ children }: { readonly children: ReactNode }): ReactNode {
  return useConsole((state) => state.model.isSynced) ? children : null;
}

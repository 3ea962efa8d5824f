import { type ReactNode, useState } from "react";
import { useConsole, useStore } from "../feed/hooks";
import { moments, timeOfDay } from "./format";

/** An instant of the trader's, in the zone that was chosen; the pointer over it shows every zone and the age. */
export function Time({ at }: { readonly at: string }): ReactNode {
  const tz = useConsole((state) => state.view.tz);
  const store = useStore();
  const [title, setTitle] = useState<string>();
  const explain = () => setTitle(moments(at, Date.now() + store.getSnapshot().link.skewMs));
  return (
    <time dateTime={at} title={title} onPointerEnter={explain}>
      {timeOfDay(at, tz)}
    </time>
  );
}

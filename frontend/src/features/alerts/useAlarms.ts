import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useConsole } from "../../feed/hooks";
import type { Alert } from "../../protocol/messages";
import { askForNotices, noticeTrouble, notify } from "./notice";
import { createPace } from "./pace";
import { createTone } from "./tone";
import { KINDS, type Kind, restoreWishes, saveWishes, type Way, type Wish, wishFor } from "./wishes";

export interface Alarms {
  readonly wishes: ReadonlySet<Wish>;
  /** Why notifications do not come although they were wished for, as a sentence. */
  readonly problem: string | null;
  /** For a click only: the browser may ask the person, and a sound may be made. */
  readonly wish: (kind: Kind, way: Way) => void;
  readonly forgo: (kind: Kind, way: Way) => void;
  /** Looks anew whether the browser shows notifications. */
  readonly look: () => void;
}

/** Tells alarms by sound and notification, as they are raised and as far as a person wished it; never those of the past. */
export function useAlarms(): Alarms {
  const raised = useConsole((state) => state.live.raised);
  const isPast = useConsole((state) => state.view.at !== null);
  const environment = useConsole((state) => state.live.connection?.environment ?? "");
  const [wishes, setWishes] = useState(restoreWishes);
  const [problem, setProblem] = useState<string | null>(null);
  const [ring] = useState(createTone);
  const [mayTell] = useState(createPace);
  const heard = useRef(raised);

  const tell = useEffectEvent((news: readonly Alert[]) => {
    const nowMs = performance.now();
    for (const kind of isPast ? [] : KINDS) {
      const ofKind = news.filter((alert) => alert.kind === kind);
      const worst = ofKind.find(({ level }) => level === "error") ?? ofKind[0];
      if (worst === undefined) continue;
      const isDue = (way: Way) => wishes.has(wishFor(kind, way)) && mayTell(worst, way, nowMs);
      if (isDue("sound")) void ring(worst.level);
      if (isDue("notification")) notify(worst, ofKind.length - 1, environment);
    }
  });
  useEffect(() => {
    const before = raised.continues(heard.current) ? heard.current : undefined;
    heard.current = raised;
    tell(raised.since(before));
  }, [raised]);
  useEffect(() => saveWishes(wishes), [wishes]);

  const change = (wish: Wish, isWished: boolean) =>
    setWishes((held) => new Set(isWished ? [...held, wish] : [...held].filter((one) => one !== wish)));
  return {
    wishes,
    problem,
    wish: async (kind, way) => {
      if (way === "sound") void ring("warning");
      else {
        const trouble = noticeTrouble() && (await askForNotices());
        setProblem(trouble);
        if (trouble !== null) return;
      }
      change(wishFor(kind, way), true);
    },
    forgo: (kind, way) => change(wishFor(kind, way), false),
    look: () => {
      const isWished = KINDS.some((kind) => wishes.has(wishFor(kind, "notification")));
      setProblem(isWished ? noticeTrouble() : null);
    },
  };
}

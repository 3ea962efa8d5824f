import { useEffect, useEffectEvent } from "react";
import type { Key } from "./keys";

/** Runs `act` on a key pressed anywhere but where that key means something else. */
export function useHotkey(key: Key, act: () => void): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
    event.preventDefault();
    act();
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}

function isTaken({ key, target, defaultPrevented }: KeyboardEvent): boolean {
  if (defaultPrevented || document.querySelector("dialog[open]") !== null) return true;
  if (!(target instanceof Element)) return false;
  if (target.closest("input, select, textarea, dialog") !== null) return true;
  return (key === " " || key === "Enter") && target.closest("button, a, summary") !== null;
}

/** Which theme is on, for what cannot use the style sheet: a canvas. */
import { useSyncExternalStore } from "react";

const SYSTEM = "(prefers-color-scheme: light)";

/** A word that changes whenever the colours do. */
export function useTheme(): string {
  return useSyncExternalStore(subscribe, theme);
}

/** A colour of the style sheet as it is now; `light-dark()` is resolved by asking what a colour comes out as. */
export function colour(token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  return computed;
}

function theme(): string {
  return document.documentElement.dataset.theme ?? (matchMedia(SYSTEM).matches ? "light" : "dark");
}

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia(SYSTEM);
  system.addEventListener("change", listener);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", listener);
  };
}

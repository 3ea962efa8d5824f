import type { ReactNode } from "react";
import { useConsole } from "../../feed/hooks";
import { linkWord } from "../../feed/store";
import { LINK_GLYPH } from "../../ui/signs";

const COLOURS: ReadonlyMap<string, string> = new Map([
  ["sim", "#8b5cf6"],
  ["paper", "#15803d"],
  ["local", "#0e7490"],
  ["production", "#dc2626"],
]);

/** Environment and state where they can be seen from another tab: `● ready · SIM`. */
export function PageTitle(): ReactNode {
  const link = useConsole(linkWord);
  const state = useConsole((state) => state.model.trader?.state);
  const environment = useConsole((state) => state.model.connection?.environment);
  const word = link === "live" ? state : link;
  const colour = COLOURS.get(environment ?? "") ?? "#64748b";
  return (
    <>
      <title>{`${LINK_GLYPH[link]} ${word} · ${environment?.toUpperCase() ?? "TRADER V3"}`}</title>
      <link rel="icon" href={icon(colour, link === "live")} />
    </>
  );
}

function icon(colour: string, isLive: boolean): string {
  const mark = isLive
    ? `<circle cx="8" cy="8" r="7" fill="${colour}"/>`
    : `<path d="M3 3L13 13M13 3L3 13" stroke="${colour}" stroke-width="3"/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${mark}</svg>`)}`;
}

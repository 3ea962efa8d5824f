import type { ReactNode } from "react";
import { EnvironmentBadge } from "./EnvironmentBadge";
import { Health } from "./Health";
import { LinkLight } from "./LinkLight";
import { StateBadge } from "./StateBadge";
import { ThemeButton } from "./ThemeButton";
import { Vitals } from "./Vitals";
import { Why } from "./Why";

/** In the order of attention: environment, link, state and why; then how much is flowing. */
export function Header(): ReactNode {
  return (
    <header className="header">
      <div className="header-line">
        <h1>TRADER V3</h1>
        <EnvironmentBadge />
        <LinkLight />
        <StateBadge />
        <Health />
        <Vitals />
        <ThemeButton />
      </div>
      <Why />
    </header>
  );
}

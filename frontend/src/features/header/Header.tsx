import type { ReactNode } from "react";
import { Controls } from "./Controls";
import { EnvironmentBadge } from "./EnvironmentBadge";
import { Health } from "./Health";
import { LinkLight } from "./LinkLight";
import { StateBadge } from "./StateBadge";
import { TradingMode } from "./TradingMode";
import { Vitals } from "./Vitals";
import { Why } from "./Why";

/** In the order of attention: environment, link, state; what may be done about it; then why, and how much is flowing. */
export function Header(): ReactNode {
  return (
    <header className="header">
      <div className="header-line">
        <h1>TRADER V3</h1>
        <EnvironmentBadge />
        <LinkLight />
        <StateBadge />
        <Health />
        <TradingMode />
        <Controls />
      </div>
      <div className="header-line header-facts">
        <Why />
        <Vitals />
      </div>
    </header>
  );
}

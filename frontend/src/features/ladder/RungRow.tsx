import { memo, type ReactNode } from "react";
import { Num } from "../../ui/Num";
import { centsText, priceText, sizeText, type Ticks } from "./prices";

/** Height of every row; `--rung` in the style sheet is the same number. */
export const ROW_PX = 20;

interface Props {
  readonly price: Ticks;
  /** In lots: of the level, or with all better ones; null where nothing stands. */
  readonly bid: number | null;
  readonly ask: number | null;
  /** What fills the whole width of a bar. */
  readonly full: number;
  readonly best: "bid" | "ask" | null;
  readonly isLastTrade: boolean;
  /** What of ours rests here, in the trader's own words; null: nothing. */
  readonly own: string | null;
  readonly heat: number;
}

export const RungRow = memo(function RungRow({ price, bid, ask, full, best, isLastTrade, own, heat }: Props) {
  return (
    <tr
      className="rung"
      data-testid="ladder-row"
      data-price={priceText(price)}
      data-best={best}
      data-heat={heat}
    >
      <td className="number bid">
        <Depth size={bid} full={full} />
      </td>
      <th scope="row" className="price">
        {centsText(price)}
        {own !== null && (
          <span className="own" data-testid="own-order" title={own}>
            ◆<span className="unseen">{own}</span>
          </span>
        )}
        {isLastTrade && (
          <span className="last-trade" title="the last trade was here">
            ◂<span className="unseen">last trade</span>
          </span>
        )}
      </th>
      <td className="ask">
        <Depth size={ask} full={full} />
      </td>
    </tr>
  );
});

function Depth({ size, full }: { readonly size: number | null; readonly full: number }): ReactNode {
  if (size === null) return null;
  return (
    <>
      <span
        className="depth"
        aria-hidden="true"
        style={{ transform: `scaleX(${full === 0 ? 0 : size / full})` }}
      />
      <Num value={sizeText(size)} />
    </>
  );
}

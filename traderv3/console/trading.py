"""Orders, positions, profit and limits as the browser reads them: `domain.trading_report` turned into `messages`.

Units: in, the domain's integers; out, the venue's own decimal strings, money in dollars with up to six decimals.
Never: a number that the report does not hold; the page computes nothing either.
"""

from collections.abc import Callable
from typing import Final

from traderv3.console import messages
from traderv3.domain.orders import OPEN
from traderv3.domain.timestamps import rfc3339, rfc3339_or_none
from traderv3.domain.trading_report import (
    DifferenceLine,
    FillLine,
    LimitLine,
    OrderLine,
    PositionLine,
    RefusalLine,
    TradingReport,
)
from traderv3.domain.units import Money, Price, Qty, format_money, format_price, format_qty

_FORMATS: Final[dict[str, Callable[[int], str]]] = {
    "contracts/100": lambda value: format_qty(Qty(value)),
    "usd/1e6": lambda value: format_money(Money(value)),
}
_UNITS: Final = {"contracts/100": "contracts", "usd/1e6": "USD"}


def order_report(line: OrderLine) -> messages.OrderReport:
    """One order."""
    return messages.OrderReport(
        client_order_id=line.client_order_id,
        order_id=line.order_id,
        strategy=line.strategy,
        ticker=line.ticker,
        side="bid" if line.is_bid else "ask",
        price=format_price(line.price),
        count=format_qty(line.count),
        filled=format_qty(line.filled),
        remaining=format_qty(line.remaining),
        state=line.state,
        is_open=line.state in OPEN,
        in_flight=line.in_flight,
        created=rfc3339(line.created_us),
        expires=rfc3339_or_none(line.expires_us),
        why=line.why,
        ahead=None if line.ahead is None else format_qty(line.ahead),
    )


def fill_report(line: FillLine) -> messages.FillReport:
    """One fill."""
    return messages.FillReport(
        trade_id=line.trade_id,
        client_order_id=line.client_order_id,
        strategy=line.strategy,
        ticker=line.ticker,
        side="bid" if line.is_bid else "ask",
        role="taker" if line.is_taker else "maker",
        price=format_price(line.price),
        count=format_qty(line.count),
        fee=format_money(line.fee),
        timestamp=rfc3339(line.at_us),
    )


def position_report(line: PositionLine) -> messages.PositionReport:
    """One position."""
    return messages.PositionReport(
        ticker=line.ticker,
        position=format_qty(line.position),
        average=_price(line.average),
        realized=format_money(line.realized),
        unrealized=_money(line.unrealized),
        fees=format_money(line.fees),
        worst_case=format_money(line.worst_case),
        venue_position=None if line.venue_position is None else format_qty(line.venue_position),
    )


def trading(report: TradingReport) -> messages.Trading:
    """The whole of it."""
    return messages.Trading(
        orders=[order_report(line) for line in report.orders],
        fills=[fill_report(line) for line in report.fills],
        positions=None if report.positions is None else [position_report(line) for line in report.positions],
        pnl=messages.Pnl(
            balance=_money(report.balance),
            total=_money(_total(report)),
            realized=_money(report.realized),
            unrealized=_money(report.unrealized),
            fees=_money(report.fees),
            worst_case=_money(report.worst_case),
            resting=report.resting,
            unknown=report.unknown,
            is_read=report.is_read,
            stale_reason=report.stale_reason,
            stale_since=rfc3339_or_none(report.stale_since_us),
        ),
        limits=messages.Limits(limits=sorted((_limit(line) for line in report.limits), key=lambda limit: -limit.share)),
        decision=messages.Decision(
            stage=report.stage,
            why=report.why,
            strategy=report.strategy,
            calibrated=rfc3339_or_none(report.calibrated_us),
            decided=rfc3339_or_none(report.decided_us),
            refusals=[_refusal(line) for line in report.refusals],
        ),
        recon=messages.Recon(differences=[_difference(line) for line in report.differences]),
    )


def _total(report: TradingReport) -> Money | None:
    if report.realized is None or report.unrealized is None or report.fees is None:
        return None
    return Money(report.realized + report.unrealized - report.fees)


def _limit(line: LimitLine) -> messages.LimitReport:
    show = _FORMATS.get(line.unit, str)
    return messages.LimitReport(
        rule=line.rule,
        scope=line.scope,
        used=show(line.used),
        limit=show(line.limit),
        unit=_UNITS.get(line.unit, line.unit),
        share=round(line.used / line.limit, 4) if line.limit else float(line.used > 0),
    )


def _refusal(line: RefusalLine) -> messages.Refusal:
    return messages.Refusal(
        rule=line.rule,
        why=line.why,
        ticker=line.ticker,
        strategy=line.strategy,
        by=line.by,
        times=line.times,
        timestamp=rfc3339(line.at_us),
    )


def _difference(line: DifferenceLine) -> messages.Difference:
    return messages.Difference(
        what=line.what,
        key=line.key,
        ours=line.ours,
        venue=line.venue,
        since=rfc3339(line.since_us),
        is_settled=line.is_settled,
    )


def _money(value: Money | None) -> str | None:
    return None if value is None else format_money(value)


def _price(value: Price | None) -> str | None:
    return None if value is None else format_price(value)

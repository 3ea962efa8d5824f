"""What the commands print: a block and tables for a person to read, copy and paste. In: `/v3/status` as it is.

Never: a number that the trader did not say.
"""

from collections.abc import Iterable, Sequence
from typing import Any

Body = dict[str, Any]


def status_block(status: Body) -> list[str]:
    """Everything on one page: state, health, feed, trading, money, and what is wrong."""
    metrics, risk, trading = status["metrics"], status["risk"], status["trading"]
    pnl, decision = trading["pnl"], trading["decision"]
    live = f"{metrics['markets_connected']} of {len(status['markets'])} markets live"
    held = [line for line in trading["positions"] if _is_some(line["position"])]
    lines = [
        f"TRADER V3    {status['environment']}, up {_span(status['uptime'])}",
        f"state        {status['state']} since {status['state_since']}: {status['state_context']}",
        f"health       {status['health']}",
        *(f"             - {reason['component']}: {reason['message']}" for reason in status["reasons"]),
        f"feed         {metrics['ws_connection_status']}, {live}, {metrics['messages_per_second']:.0f} messages/s",
        f"received     {metrics['snapshots_received']} snapshots, {metrics['deltas_received']} deltas,"
        f" {metrics['gaps_detected']} gaps, {metrics['reconnects']} reconnects",
        f"trading      {risk['mode']} (by {risk['by']} since {risk['since']}: {risk['reason']})",
        f"strategy     {decision['strategy']}, {decision['stage']}{_because(decision['why'])}",
        f"orders       {pnl['resting']} resting, {pnl['unknown']} unknown; {len(trading['fills'])} latest fills",
        f"positions    {len(held)} markets, worst case {_usd(pnl['worst_case'])}",
        f"money        balance {_usd(pnl['balance'])}, total {_usd(pnl['total'])}"
        f" (realised {_usd(pnl['realized'])}, unrealised {_usd(pnl['unrealized'])}, fees {_usd(pnl['fees'])})",
    ]
    used = [limit for limit in trading["limits"]["limits"] if limit["share"] > 0][:3]
    lines += [f"limit        {_limit(limit)}" for limit in used]
    lines += [f"refused      {_refusal(refusal)}" for refusal in decision["refusals"][:3]]
    lines += [
        f"differs      {_difference(found)}" for found in trading["recon"]["differences"] if not found["is_settled"]
    ]
    return lines


def order_lines(status: Body, *, has_all: bool) -> list[str]:
    """Open orders; with `has_all` the latest that are over as well."""
    orders = [order for order in status["trading"]["orders"] if has_all or order["is_open"]]
    rows = [
        (
            order["client_order_id"],
            order["state"] + (f" ({order['in_flight']})" if order["in_flight"] else ""),
            order["ticker"],
            order["side"],
            order["price"],
            order["count"],
            order["filled"],
            order["strategy"],
            order["created"],
            order["why"] or "",
        )
        for order in orders
    ]
    heads = ("order", "state", "market", "side", "price", "count", "filled", "strategy", "created", "why")
    return _table(heads, rows, "No order is open." if not has_all else "No order.")


def position_lines(status: Body) -> list[str]:
    """What is held, and the sums."""
    trading = status["trading"]
    rows = [
        (
            line["ticker"],
            line["position"],
            line["average"] or "-",
            line["realized"],
            line["unrealized"] or "-",
            line["fees"],
            line["worst_case"],
            f"the venue says {line['venue_position']}" if line["venue_position"] is not None else "",
        )
        for line in trading["positions"]
    ]
    heads = ("market", "position", "average", "realised", "unrealised", "fees", "worst case", "")
    pnl = trading["pnl"]
    return [
        *_table(heads, rows, "Nothing is held."),
        f"total {_usd(pnl['total'])}, balance {_usd(pnl['balance'])}, worst case {_usd(pnl['worst_case'])}",
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], if_empty: str) -> list[str]:
    if not rows:
        return [if_empty]
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    return [_row(row, widths) for row in (heads, *rows)]


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _limit(limit: Body) -> str:
    used = f"{limit['used']} of {limit['limit']} {limit['unit']}"
    return f"{limit['rule']} {limit['scope']}: {used} ({limit['share'] * 100:.0f} %)"


def _refusal(refusal: Body) -> str:
    return f"{refusal['times']} x by {refusal['by']}: {refusal['rule']} {refusal['ticker']}: {refusal['why']}"


def _difference(found: Body) -> str:
    return f"{found['what']} {found['key']}: ours {found['ours']}, the venue's {found['venue']}, since {found['since']}"


def _because(why: str | None) -> str:
    return f": {why}" if why else ""


def _usd(amount: str | None) -> str:
    return "unknown" if amount is None else f"${amount}"


def _is_some(count: str) -> bool:
    return count.strip("-0.") != ""


def _span(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"

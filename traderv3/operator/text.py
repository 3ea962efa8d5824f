"""What the commands print: a block and tables for a person to read, copy and paste. In: `/v3/status` as it is.

Never: a number that the trader did not say; one of the account's without the word that it is not of now, where it is not.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

Body = dict[str, Any]


def status_block(status: Body) -> list[str]:
    """Everything on one page: state, health, feed, trading, money, and what is wrong."""
    metrics, risk, trading = status["metrics"], status["risk"], status["trading"]
    pnl, decision = trading["pnl"], trading["decision"]
    live = f"{metrics['markets_connected']} of {len(status['markets'])} markets live"
    held = trading["positions"] and [line for line in trading["positions"] if _is_some(line["position"])]
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
        f"account      {_account(status) or _agreed(status)}",
        f"orders       {_count(pnl['resting'])} resting, {_count(pnl['unknown'])} unknown; {len(trading['fills'])} latest fills",
        f"positions    {_count(None if held is None else len(held))} markets,"
        f" worst case with orders {_usd(pnl['worst_case'])}",
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
    """Open orders; with `has_all` the latest that are over as well. First of all, if need be, how old the word is."""
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
    is_known = status["trading"]["pnl"]["is_read"]
    if_empty = ("No order." if has_all else "No order is open.") if is_known else "No order is known."
    return [*_account_line(status), *_table(heads, rows, if_empty)]


def position_lines(status: Body) -> list[str]:
    """What is held, and the sums. First of all, if need be, how old the word is."""
    trading = status["trading"]
    rows = [
        (
            line["ticker"],
            line["position"],
            _average(line),
            line["realized"],
            line["unrealized"] or "-",
            line["fees"],
            line["worst_case"],
            f"the venue says {line['venue_position']}" if line["venue_position"] is not None else "",
        )
        for line in trading["positions"] or ()
    ]
    heads = ("market", "position", "average", "realised", "unrealised", "fees", "worst case with orders", "")
    pnl = trading["pnl"]
    if_empty = "What is held is not known." if trading["positions"] is None else "Nothing is held."
    return [
        *_account_line(status),
        *_table(heads, rows, if_empty),
        f"total {_usd(pnl['total'])}, balance {_usd(pnl['balance'])}, worst case with orders {_usd(pnl['worst_case'])}",
    ]


def _account_line(status: Body) -> list[str]:
    said = _account(status)
    return [] if said is None else [f"account: {said}"]


def _account(status: Body) -> str | None:
    """Why the account's numbers are not of now; None while they are."""
    pnl = status["trading"]["pnl"]
    why, since = pnl["stale_reason"], pnl["stale_since"]
    if not pnl["is_read"]:
        return f"not read yet{_because(why)}"
    if why is None:
        return None
    if since is None:
        return f"not agreed upon yet ({why}); what follows is the venue's first word"
    return f"stale for {_age(status, since)} ({why}); what follows is the last word"


def _agreed(status: Body) -> str:
    read = status["trading"]["decision"]["calibrated"]
    return "heard" if read is None else f"heard; a reading agreed {_age(status, read)} ago"


def _age(status: Body, since: str) -> str:
    age = datetime.fromisoformat(status["timestamp"]) - datetime.fromisoformat(since)
    return f"{max(0.0, age.total_seconds()):.1f} s"


def _average(line: Body) -> str:
    """What a contract cost, on the scale of the side that is held."""
    if line["average"] is None:
        return "-"
    return f"{line['average']} {'NO' if line['position'].startswith('-') else 'YES'}"


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


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _usd(amount: str | None) -> str:
    return "unknown" if amount is None else f"${amount}"


def _is_some(count: str) -> bool:
    return count.strip("-0.") != ""


def _span(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"

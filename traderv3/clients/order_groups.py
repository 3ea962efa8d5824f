"""The session's order groups: the dead man's switch that lies with the venue.

Every order of a session goes into a group of this session, one for each shard of the exchange, of which so much may fill
within 15 s before the venue cancels all of it. At a start the groups of earlier sessions are deleted: their orders are
cancelled, and one that a killed process had still on the wire is refused when it arrives. A stop deletes the present ones.
A group is in the intent log before an order is put into it.
Never: an order without a group; a group forgotten that the venue may still have.
"""

from typing import Final, Protocol

import structlog

from traderv3.clients.order_rest import OrderRest
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.units import CONTRACT, Qty
from traderv3.protocol.order_requests import create_group, delete_group, limit_group, read_group

LIMIT_MIN: Final = CONTRACT  # the venue's range
LIMIT_MAX: Final = Qty(1_000_000 * CONTRACT)
NOT_THERE: Final = 404
GONE: Final = (200, 204, NOT_THERE)

log = structlog.get_logger(component="order_gateway")


class GroupLog(Protocol):
    """Where groups are kept; `storage.intent_log.IntentFile` is one."""

    @property
    def groups(self) -> list[tuple[str, int]]: ...
    async def keep_group(self, group_id: str, shard: int) -> None: ...
    def forget_group(self, group_id: str) -> None: ...


class OrderGroups:
    """`limit` is how much of one group may fill within 15 s. A shard is wanted from the first question about it on."""

    def __init__(self, log: GroupLog, limit: Qty) -> None:
        self._log = log
        self._limit = min(max(limit, LIMIT_MIN), LIMIT_MAX)
        self._wanted = {0}
        self._by_shard: dict[int, str] = {}
        self._doubted: set[str] = set()
        self._unkept: dict[int, str] = {}  # made, and not in the log yet: a full disk must not make another each time
        self.generation = 0  # of the groups: whoever named one of an earlier generation must not use it

    def of(self, shard: int) -> str | None:
        """The group for orders of this shard; None until there is one."""
        self._wanted.add(shard)
        return self._by_shard.get(shard)

    @property
    def held(self) -> list[tuple[str, int]]:
        """Every group (id, shard) that may hold orders of ours at the venue, those of earlier sessions included."""
        return self._log.groups

    @property
    def is_complete(self) -> bool:
        """Every wanted shard has its group, none is in doubt, and nothing is left of earlier sessions."""
        is_whole = self._by_shard.keys() >= self._wanted and len(self._log.groups) == len(self._by_shard)
        return is_whole and not self._doubted

    def is_present(self, group_id: str) -> bool:
        """Whether new orders go into it."""
        return group_id in self._by_shard.values()

    def doubt(self, group_id: str) -> None:
        """The venue may not have it any more; it is asked."""
        self._doubted.add(group_id)

    def forsake(self, group_id: str | None = None) -> None:
        """This group (None: any) takes no orders any more; another is made in its place."""
        self.generation += 1
        for shard, held in list(self._by_shard.items()):
            if group_id in (None, held):
                del self._by_shard[shard]

    async def complete(self, rest: OrderRest) -> None:
        """Delete what is not of this session, make what is missing.

        Raises `ConnectivityError`, `RemoteProtocolError`, `NotSent`, `OSError` (the intent log).
        """
        await self._ask_for_doubted(rest)
        generation = self.generation
        await self._delete(rest, [held for held in self._log.groups if held[0] not in self._by_shard.values()])
        for shard in sorted(self._wanted - self._by_shard.keys()):
            if shard not in self._unkept:
                status, body = await rest.ask(create_group(self._limit, shard), is_urgent=True)
                if status != 201:
                    msg = f"no order group: HTTP {status}: {body[:200].decode('utf-8', 'replace')}"
                    raise ConnectivityError(msg)
                self._unkept[shard] = read_group(body)
            group_id = self._unkept[shard]
            await self._log.keep_group(group_id, shard)
            del self._unkept[shard]
            if self.generation != generation:  # a halt meanwhile, which may have triggered it
                return
            self._by_shard[shard] = group_id
            log.info("order group", group=group_id, shard=shard)

    async def close(self, rest: OrderRest) -> None:
        """Delete every group: whatever rests in them is cancelled by the venue. Raises as `complete`."""
        self.forsake()
        await self._delete(rest, self._log.groups)

    async def _ask_for_doubted(self, rest: OrderRest) -> None:
        for shard, group_id in list(self._by_shard.items()):
            if group_id in self._doubted:
                status, _ = await rest.ask(limit_group(group_id, self._limit, shard), is_urgent=True)
                if status == NOT_THERE:
                    self.forsake(group_id)
        self._doubted.clear()

    async def _delete(self, rest: OrderRest, groups: list[tuple[str, int]]) -> None:
        for group_id, shard in groups:
            status, body = await rest.ask(delete_group(group_id, shard), is_urgent=True)
            if status not in GONE:
                msg = f"order group {group_id} not deleted: HTTP {status}: {body[:200].decode('utf-8', 'replace')}"
                raise ConnectivityError(msg)
            self._log.forget_group(group_id)

"""The gate for everything that a person asks for: name, token, typed confirmation, in this order; then it is carried out.

Every outcome, a wrong token included, is told to all consoles, logged, and handed to the audit. What a person typed goes
through `mask` first, so that a token that strays into a wrong field is written nowhere.
Never: a command that is carried out without all three; a token in a message, a log or the audit.
"""

import hmac
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
import trio

from traderv3.console import messages

log = structlog.get_logger(component="console")

NONSENSE_WAIT_S: Final = 0.25  # after a request that makes no sense: nobody can wash the log away
REFUSAL_WAIT_S: Final = 1.0  # between the answers to two wrong tokens, whoever sent them; doubles with each wrong one
REFUSAL_WAIT_MOST_S: Final = 60.0
QUIET_S: Final = 300.0  # longer than any turn: a crowd that waits for its answers is not quiet
LOOK_S: Final = 1.0
GUESSES_OPEN_MAX: Final = 512  # not answered yet: as many as there may be connections, so that no crowd fills it
REQUEST_BYTES_MAX: Final = 64 * 1024
ID_MAX: Final = 100  # characters
UNPROVEN: Final = "the control token is missing or wrong"  # said after the wait alone, so that nothing tells sooner

Args = Mapping[str, Any]


class CommandRefused(Exception):
    """The command was understood and is not carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person may ask for.

    `run` gets the arguments and who asks, and returns what to say; `confirmation` says what has to be typed for these
    arguments. Both raise `CommandRefused`.
    """

    run: Callable[[Args, str], Awaitable[str]]
    confirmation: Callable[[Args], str]


class CommandRequest(msgspec.Struct):
    """One command with everything that it needs."""

    id: str
    name: str
    args: dict[str, Any] = {}
    confirm: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What the audit keeps of one command, free of secrets."""

    at_us: int
    who: str
    command: str
    args: Args
    is_done: bool
    result: str


class GuessLine:
    """What makes guessing ever slower, and never the one who knows: a right token is answered at once, a wrong one in turn.

    The turns of wrong tokens are `REFUSAL_WAIT_S` apart at first, for the process as a whole, and after each twice as far, up
    to `REFUSAL_WAIT_MOST_S`; a right token, or `QUIET_S` without a wrong one, lets them begin anew. Who hangs up does not wait
    for his, so wrong tokens are counted besides: `GUESSES_OPEN_MAX` are looked at, and from then on one each `LOOK_S`. That
    does not grow, since until then nothing is looked at, not even a right token.
    """

    def __init__(self) -> None:
        self._door = trio.Lock()
        self._looks = -math.inf  # when the looks that were had would have been had one each `LOOK_S`
        self._last_turn = self._guessed_at = -math.inf
        self._turn_s = REFUSAL_WAIT_S

    async def is_right(self, compare: Callable[[], bool]) -> bool:
        """What `compare` says: a yes at once, a no when its turn has come."""
        async with self._door:
            await trio.sleep_until(self._looks - (GUESSES_OPEN_MAX - 1) * LOOK_S)
            now = trio.current_time()
            is_right = compare()
            if is_right or now - self._guessed_at >= QUIET_S:
                self._last_turn, self._turn_s = now, REFUSAL_WAIT_S
            if is_right:
                return True
            self._looks, self._guessed_at = max(self._looks, now) + LOOK_S, now
            turn = self._last_turn = max(self._last_turn, now) + self._turn_s
            self._turn_s = min(2 * self._turn_s, REFUSAL_WAIT_MOST_S)
        await trio.sleep_until(turn)
        return False


class CommandGate:
    """The commands there are, the token, and who hears what came of them. `tell` must not wait."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        token: str,
        *,
        wall_us: Callable[[], int],
        tell: Callable[[messages.CommandResult], None],
        audit: Callable[[Audited], None],
        mask: Callable[[Args], Args],
    ) -> None:
        self.commands = commands
        self._token = token
        self._line = GuessLine()
        self._wall_us = wall_us
        self._tell = tell
        self._audit = audit
        self._mask = mask

    def is_ours(self, token: str) -> bool:
        """Whether this is the control token, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token.encode())

    def masked(self, text: str) -> str:
        """What somebody typed, as everybody may read it. Mask before cutting: half a token is found by no pattern."""
        return str(self._mask({"text": text})["text"])

    async def carry_out(self, request: CommandRequest, *, who: str) -> messages.CommandResult:
        """Check and do, or refuse with the rule; returns what was told to everybody."""
        name, args = self.masked(request.name)[:ID_MAX], self._mask(request.args)
        try:
            said = await self._try(request, args, who)
            is_done = True
        except CommandRefused as refusal:
            said, is_done = str(refusal), False
        result = messages.CommandResult(id=self.masked(request.id)[:ID_MAX], ok=is_done, reason=self.masked(said))
        what = "command carried out" if is_done else "command refused"
        log.warning(what, command=name, args=args, who=who, said=result.reason)
        self._audit(
            Audited(at_us=self._wall_us(), who=who, command=name, args=args, is_done=is_done, result=result.reason)
        )
        self._tell(result)
        return result

    async def _try(self, request: CommandRequest, args: Args, who: str) -> str:
        command = self.commands.get(request.name)
        if command is None:
            await trio.sleep(NONSENSE_WAIT_S)
            msg = f"unknown command {self.masked(request.name)[:40]!r}; known: {', '.join(self.commands) or 'none'}"
            raise CommandRefused(msg)
        if not await self._line.is_right(lambda: self.is_ours(request.token)):
            raise CommandRefused(UNPROVEN)
        expected = command.confirmation(args)
        if request.confirm != expected:
            msg = f"type {expected} to confirm"
            raise CommandRefused(msg)
        return await command.run(args, who)

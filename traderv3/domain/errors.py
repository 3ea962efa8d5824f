"""Errors sorted by who must act, so that nobody ever parses a message to know what to do.

A broken invariant of ours is an `AssertionError` and not in this family: it ends the actor and the supervisor
starts a new one. Foreign errors (trio, ssl, httpx2) are translated at the one adapter that imports them.
"""

import enum
from typing import ClassVar


class Reaction(enum.Enum):
    """What whoever catches the error should do."""

    RETRY = "retry"  # the network or the venue is away; try again with backoff
    RESYNC = "resync"  # what we hold may be wrong; mark it stale and ask for it again
    REPORT = "report"  # the venue said no; say so, do not repeat the same request
    HALT = "halt"  # a person must mend something


class TraderError(Exception):
    """Root of the family; `str()` is a sentence a person understands."""

    reaction: ClassVar[Reaction]


class ConnectivityError(TraderError):
    """The venue cannot be reached, or the connection is gone or silent."""

    reaction = Reaction.RETRY


class RemoteProtocolError(TraderError):
    """The venue said something that the protocol does not allow."""

    reaction = Reaction.RESYNC


class VenueRefused(TraderError):
    """The venue understood and said no. `status` is the HTTP status, `code` the venue's own word or None."""

    reaction = Reaction.REPORT

    def __init__(self, message: str, *, status: int, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def is_about_the_key(self) -> bool:
        """A 401 or 403: the key, the signature or the clock, never the request itself."""
        return self.status in (401, 403)


class EnvironmentMismatch(TraderError):
    """Something would have reached a host, or used a key, that this environment does not allow."""

    reaction = Reaction.HALT


class RestartStorm(TraderError):
    """A supervisor's children failed more often than its policy allows; the parent decides."""

    reaction = Reaction.HALT

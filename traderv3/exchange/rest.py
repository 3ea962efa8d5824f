"""The REST skin without a socket: one request in, status and JSON body out.

A table of routes, found by method and path, and what is the same for all of them: the signature, the scope, the content
type of a body, the bill. Public routes work unsigned, but access headers that are present are checked. Paths are given
from the root. Source: Kalshi's OpenAPI document 3.34.0; captures for everything odd.
Never: a wait, an exception for anything a client may send.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from traderv3.exchange.auth import KeyRegistry, Member, is_signed
from traderv3.exchange.rate_limits import Budget, RateLimits
from traderv3.exchange.records import Rejected
from traderv3.exchange.rest_request import Call, Refusal, Route, not_found, read_query, rejection

BASE: Final = "/trade-api/v2"
NO_CONTENT: Final = 204
_WITH_BODY: Final = ("POST", "PUT")
_encode: Final = msgspec.json.Encoder().encode

Headers = Mapping[str, str]


class Router:
    """Answers requests by the table."""

    def __init__(
        self, routes: Sequence[Route], keys: KeyRegistry, limits: RateLimits, *, now_us: Callable[[], int]
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._now_us = now_us
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterned: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            self._enter(route)

    def handle(self, method: str, target: str, headers: Headers, body: bytes = b"") -> tuple[int, bytes]:
        """Answer one request. `target` is path and query as sent; header names are in lower case."""
        path, _, query_text = target.partition("?")
        try:
            member = self._authenticated(method, path, headers) if is_signed(headers) else None
            route, names = self._find(method, path)
            if route.is_private and member is None:
                member = self._authenticated(method, path, headers)
            _check_scope(route, member)
            _check_content(method, headers, body)

            def charge(count: int) -> None:
                self._charge(member, route, count)

            if not route.is_batch:
                charge(1)
            answer = route.handler(Call(member, names, read_query(query_text), body, charge))
            return route.status, b"" if route.status == NO_CONTENT else _encode(answer)
        except Refusal as refusal:
            return refusal.status, _encode(refusal.body)
        except Rejected as rejected:
            nested = rejection(rejected.status, rejected.code, rejected.message, rejected.details)
            return nested.status, _encode(nested.body)

    def is_write(self, method: str, target: str) -> bool:
        """Whether a request would change orders or groups."""
        try:
            return self._find(method, target.partition("?")[0])[0].budget is Budget.WRITE
        except Refusal:
            return False

    # -- parts -----------------------------------------------------------------------------------------------------

    def _enter(self, route: Route) -> None:
        parts = tuple(route.path.split("/"))
        if "{" not in route.path:
            self._fixed.setdefault(route.path, {})[route.method] = route
            return
        rows = self._patterned.setdefault(len(parts), [])
        shape = tuple("{}" if part.startswith("{") else part for part in parts)
        by_method = next((methods for known, methods in rows if known == shape), None)
        if by_method is None:
            by_method = {}
            rows.append((shape, by_method))
        by_method[route.method] = route

    def _find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        """The row for a request and the names in its path; fixed paths go before patterns."""
        if not path.startswith(BASE + "/"):
            raise not_found()
        inner = path.removeprefix(BASE + "/")
        is_known = False
        by_method = self._fixed.get(inner)
        if by_method is not None:
            if method in by_method:
                return by_method[method], ()
            is_known = True
        parts = inner.split("/")
        for shape, by_method in self._patterned.get(len(parts), ()):
            pairs = list(zip(shape, parts, strict=True))
            if all(expected in ("{}", part) for expected, part in pairs):
                if method in by_method:
                    return by_method[method], tuple(unquote(part) for expected, part in pairs if expected == "{}")
                is_known = True
        if is_known:
            raise Refusal(405, {"code": "method_not_allowed", "message": "method not allowed"})
        raise not_found()

    def _authenticated(self, method: str, path: str, headers: Headers) -> Member | None:
        body = self._keys.why_refused(headers, method, path, now_ms=self._now_us() // 1000)
        if body is not None:
            raise Refusal(401, body)
        return self._keys.member(headers)

    def _charge(self, member: Member | None, route: Route, count: int) -> None:
        """Bill a signed request; whoever does not sign is nobody's member and is not billed."""
        if member is None:
            return
        if not self._limits.is_covered(member.user_id, route.budget, route.cost * count, now_us=self._now_us()):
            raise too_many_requests()


def too_many_requests() -> Refusal:
    """The venue's 429: a string where other errors have an object, and no header that says how long."""
    return Refusal(429, {"error": "too many requests"})


def _check_scope(route: Route, member: Member | None) -> None:
    if member is None or not route.is_private:
        return
    if ("write" if route.budget is Budget.WRITE else "read") not in member.scopes:
        raise rejection(403, "forbidden")


def _check_content(method: str, headers: Headers, body: bytes) -> None:
    if method not in _WITH_BODY:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or not body:
        raise Refusal(400, {"code": "invalid_content_type", "message": "invalid_content_type"})

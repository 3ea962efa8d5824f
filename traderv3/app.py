"""The Quart-Trio routes under /v3 and the built console. No logic: each route asks the trader and encodes the answer.

Guards for every request: `Host` must be ours (against DNS rebinding), a foreign or null `Origin` is refused; answers
carry a content security policy that allows nothing but ourselves.
"""

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from hypercorn.typing import ASGIFramework
from quart import Response, request, websocket
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from traderv3.console.conversation import CommandRefused, Conversation, read_topics
from traderv3.console.hub import HubFull
from traderv3.console.status import book_levels
from traderv3.coordinator import Trader
from traderv3.domain.health import Level
from traderv3.domain.states import OPERATING, State

STATIC: Final = Path(__file__).parent / "console" / "static"
BUILD_COMMAND: Final = "scripts/setup.sh  (needs Node 20 and npm; it builds the console)"
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
CLOSE_TRY_LATER: Final = 1013
EVENTS_PAGE: Final = 1_000

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_encode = msgspec.json.Encoder().encode


def create_app(trader: Trader) -> ASGIFramework:
    """The ASGI app over one trader."""
    app = QuartTrio("traderv3", static_folder=None)
    guard = _Guard(trader)
    app.before_request(guard.refuse_request)
    app.before_websocket(guard.refuse_websocket)
    app.after_request(_secure)
    app.register_error_handler(HTTPException, _refuse)
    _add_health(app, trader)
    _add_readings(app, trader)
    _add_console(app)
    _add_socket(app, trader)
    return app


def _json(body: object, status: int = 200) -> Response:
    return Response(_encode(body), status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _problem(status: int, what: str) -> Response:
    return _json({"error": what}, status)


async def _refuse(error: HTTPException) -> Response:
    what = (
        f"no route {request.path[:100]!r}"
        if error.code == 404
        else f"{request.method} {request.path[:100]}: {error.name}"
    )
    return _problem(error.code or 500, what)


async def _secure(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response


class _Guard:
    """Which Host and Origin are ours."""

    def __init__(self, trader: Trader) -> None:
        self._trader = trader

    def _hosts(self) -> set[str]:
        port, host = self._trader.web_server.port, self._trader.settings.host
        names = {*LOOPBACK_NAMES, f"[{host}]" if ":" in host else host}
        return {f"{name}:{port}" for name in names} | (names if port == 80 else set())

    def why_refused(self, headers: Headers) -> str | None:
        """Why a request may not be answered, or None."""
        host = headers.get("Host", "")
        is_bound_to_all = self._trader.settings.host in ("0.0.0.0", "::")  # noqa: S104 - then any name may be ours
        if host not in self._hosts() and not is_bound_to_all:
            return f"Host {host[:100]!r} is not this trader"
        allowed = {f"http://{name}" for name in (self._hosts() | ({host} if is_bound_to_all else set()))}
        if self._trader.settings.dev_origin:
            allowed.add(self._trader.settings.dev_origin)
        foreign = [origin for origin in headers.getlist("Origin") if origin not in allowed]
        return f"Origin {foreign[0][:100]!r} is not allowed" if foreign else None

    async def refuse_request(self) -> Response | None:
        why = self.why_refused(request.headers)
        return _problem(403, why) if why else None

    async def refuse_websocket(self) -> Response | None:
        why = self.why_refused(websocket.headers)
        return _problem(403, why) if why else None


def _add_health(app: QuartTrio, trader: Trader) -> None:
    @app.get("/v3/health")
    async def health() -> Response:
        now, state = trader.aggregator.assess(), trader.pilot.machine.state
        is_up = now.level is not Level.UNHEALTHY
        body = {
            "healthy": is_up,
            "health": now.level.value,
            "status": "stopping" if state is State.SHUTDOWN else "running",
            "state": state.value,
            "uptime": trader.picture.uptime_s,
            "reasons": trader.picture.reasons(now),
        }
        return _json(body, 200 if is_up else 503)

    @app.get("/v3/health/live")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v3/health/ready")
    async def ready() -> Response:
        state = trader.pilot.machine.state
        return _json({"ready": state in OPERATING, "state": state.value}, 200 if state in OPERATING else 503)


def _add_readings(app: QuartTrio, trader: Trader) -> None:
    @app.get("/v3/status")
    async def status() -> Response:
        return _json(trader.status())

    @app.get("/v3/markets")
    async def markets() -> Response:
        return _json({"markets": trader.picture.market_tops()})

    @app.get("/v3/markets/<ticker>/book")
    async def book(ticker: str) -> Response:
        held = trader.feed.books.get(ticker)
        if held is None:
            return _problem(404, f"no market {ticker[:100]!r} is watched; /v3/markets lists those that are")
        depth_text = request.args.get("depth", "0")
        if not (depth_text.isascii() and depth_text.isdigit() and len(depth_text) <= 6):
            return _problem(400, f"depth {depth_text[:20]!r} is not a whole number of levels (0: all)")
        return _json(book_levels(held, int(depth_text)))

    @app.get("/v3/metrics")
    async def metrics() -> Response:
        return Response(trader.prometheus_text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v3/events")
    async def events() -> Response:
        after = request.args.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= 18):
            return _problem(400, f"after {after[:20]!r} is not a sequence number")
        found = trader.hub.events_after(int(after))
        page = [msgspec.Raw(event) for _, event in found[:EVENTS_PAGE]]
        missed = found[0][0] - int(after) - 1 if found else 0
        body = {"epoch": trader.hub.epoch, "seq": trader.hub.seq, "missed": missed, "more": len(found) > len(page)}
        return _json({**body, "events": page})


def _add_console(app: QuartTrio) -> None:
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in _built_files()}

    def index() -> Response:
        page = files.get("index.html")
        if page is None:
            return _problem(503, f"the console is not built; run {BUILD_COMMAND}")
        return Response(page, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})

    @app.get("/")
    @app.get("/v3-trader")
    @app.get("/v3-trader/")
    async def page() -> Response:
        return index()

    @app.get("/v3-trader/<path:name>")
    async def asset(name: str) -> Response:
        body = files.get(name)
        if body is None:
            return _problem(404, f"no file {name[:100]!r} in the built console")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        is_hashed = name.startswith("assets/")
        cache = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        return Response(body, content_type=kind, headers={"Cache-Control": cache})


def _built_files() -> list[Path]:
    return sorted(path for path in STATIC.rglob("*") if path.is_file()) if STATIC.is_dir() else []


def _add_socket(app: QuartTrio, trader: Trader) -> None:
    @app.websocket("/v3/ws")
    async def console_socket() -> Response | None:
        wanted = _Wanted.read(websocket.args)
        if isinstance(wanted, str):
            return _problem(400, wanted)
        await websocket.accept()
        peer: Any = websocket.scope.get("client")
        try:
            client, first = trader.hub.join(
                batch_ms=wanted.batch_ms,
                epoch=wanted.epoch,
                last_seq=wanted.last_seq,
                peer=(peer[0], peer[1]) if peer else None,
                topics=wanted.topics,
                markets=wanted.markets,
            )
        except HubFull as exc:
            await websocket.close(CLOSE_TRY_LATER, str(exc))
            return None
        conversation = Conversation(trader.hub, trader.commands, trader.token)
        await conversation.run(client, first, websocket.send, websocket.receive)
        return None


class _Wanted(msgspec.Struct):
    """The query of the console's socket."""

    batch_ms: int
    epoch: str | None
    last_seq: int | None
    topics: frozenset[str] | None
    markets: frozenset[str] | None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "_Wanted | str":
        """The query, or a sentence about what is wrong with it."""
        numbers: dict[str, int | None] = {}
        for name, most in (("batch_ms", 10_000), ("last_seq", 2**63)):
            text = query.get(name)
            if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
                return f"{name} {text[:30]!r} is not a whole number up to {most}"
            numbers[name] = None if text is None else int(text)

        def names(key: str) -> frozenset[str] | None:
            return frozenset(query[key].split(",")) if query.get(key) else None

        try:
            topics = read_topics(names("topics"))
        except CommandRefused as exc:
            return str(exc)
        return cls(
            batch_ms=numbers["batch_ms"] or 0,
            epoch=query.get("epoch"),
            last_seq=numbers["last_seq"],
            topics=topics,
            markets=names("markets"),
        )

"""The Quart-Trio routes under /v3 and the built console. No logic: each route asks the trader and encodes the answer.

Guards for every request: `Host` must be ours (against DNS rebinding), a foreign or null `Origin` is refused; answers
carry a content security policy that allows nothing but ourselves.
"""

import ipaddress
import mimetypes
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from hypercorn.typing import ASGIFramework
from quart import Response, has_request_context, request, websocket
from quart.typing import ResponseTypes
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from traderv3.console.client import Wishes
from traderv3.console.commands import UNPROVEN, CommandRequest
from traderv3.console.conversation import Conversation, NotUnderstood, read_wishes
from traderv3.console.front_door import SECURITY_HEADERS, WIRE
from traderv3.console.hub import HubFull
from traderv3.console.past import OutOfRange, look_back
from traderv3.console.reports import book_levels
from traderv3.coordinator import Trader
from traderv3.domain.health import Level
from traderv3.domain.states import OPERATING, State
from traderv3.telemetry import prometheus

STATIC: Final = Path(__file__).parent / "console" / "static"
BUILD_COMMAND: Final = "scripts/setup.sh  (needs Node 20 and npm; it builds the console)"
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
CLOSE_TRY_LATER: Final = 1013
EVENTS_PAGE: Final = 1_000

_encode = msgspec.json.Encoder().encode


def create_app(trader: Trader) -> ASGIFramework:
    """The ASGI app over one trader."""
    app = QuartTrio("traderv3", static_folder=None)
    app.url_map.merge_slashes = False  # a path is what it says; nothing is redirected
    guard = _Guard(trader)
    app.before_request(guard.refuse_request)
    app.before_websocket(guard.refuse_websocket)
    app.after_request(_secure)
    app.after_websocket(_secure_refusal)
    app.register_error_handler(HTTPException, _refuse)
    _add_health(app, trader)
    _add_readings(app, trader)
    _add_commands(app, trader)
    _add_console(app)
    _add_socket(app, trader)
    return app


def _json(body: object, status: int = 200) -> Response:
    return Response(_encode(body), status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _problem(status: int, what: str) -> Response:
    return _json({"error": what}, status)


async def _refuse(error: HTTPException) -> Response:
    asked = request if has_request_context() else websocket
    what = f"no route {asked.path[:100]!r}" if error.code == 404 else f"{asked.method} {asked.path[:100]}: {error.name}"
    return _problem(error.code or 500, what)


async def _secure(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response


async def _secure_refusal(response: ResponseTypes | None) -> ResponseTypes | None:
    """A socket that was not opened was answered with HTTP."""
    return await _secure(response) if isinstance(response, Response) else response


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
        hosts = self._hosts()
        if self._trader.settings.host in ("0.0.0.0", "::") and _cannot_be_rebound(host, self._trader.web_server.port):  # noqa: S104
            hosts.add(host)
        if host not in hosts:
            return f"Host {host[:100]!r} is not this trader"
        allowed = {f"http://{name}" for name in hosts}
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


def _cannot_be_rebound(host: str, port: int) -> bool:
    """Whether a `Host` on our port is an address or this machine's own name: no stranger's name server answers for those."""
    name, _, its_port = host.rpartition(":")
    if its_port != str(port):
        return False
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name == socket.gethostname().lower()
    return True


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
            "uptime": trader.desk.picture.uptime_s,
            "reasons": trader.desk.picture.reasons(now),
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
        return _json(trader.desk.status())

    @app.get("/v3/markets")
    async def markets() -> Response:
        return _json({"markets": [msgspec.Raw(top) for top in trader.desk.picture.tops().values()]})

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
        text = prometheus.render(
            trader.feed,
            trader.aggregator.numbers,
            trader.aggregator.assess(),
            trader.pilot.machine.state,
            trader.node(),
            trader.trading_report(),
            uptime_s=trader.desk.picture.uptime_s,
            dropped=trader.desk.picture.sources.dropped(),
        )
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v3/events")
    async def events() -> Response:
        after = request.args.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= 18):
            return _problem(400, f"after {after[:20]!r} is not a sequence number")
        hub = trader.desk.hub
        found = hub.events_after(int(after), EVENTS_PAGE + 1)
        page = [msgspec.Raw(event) for _, event in found[:EVENTS_PAGE]]
        missed = found[0][0] - int(after) - 1 if found else 0
        body = {"epoch": hub.epoch, "seq": hub.seq, "missed": missed, "more": len(found) > len(page)}
        return _json({**body, "events": page})

    @app.get("/v3/replay")
    async def replay() -> Response:
        seq = request.args.get("seq", "")
        if not (seq.isascii() and seq.isdigit() and len(seq) <= 18):
            return _problem(400, f"seq {seq[:20]!r} is not a sequence number")
        hub = trader.desk.hub
        try:
            chunk = hub.past.chunk_of(int(seq), hub.seq)
        except OutOfRange as exc:
            return _problem(410 if exc.is_gone else 404, str(exc))
        blocks, pending = chunk.copy()
        past = await trio.to_thread.run_sync(look_back, blocks, pending, int(seq))
        return Response(past, content_type="application/json", headers={"Cache-Control": "no-store"})


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


def _add_commands(app: QuartTrio, trader: Trader) -> None:
    @app.post("/v3/commands")
    async def commands() -> Response:
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return _problem(403, "commands are taken from this console's own page, or from no page at all")
        if request.mimetype != "application/json":
            return _problem(415, "a command is sent as application/json")
        try:
            asked = msgspec.json.decode(await request.get_data(as_text=False), type=CommandRequest)
        except (msgspec.MsgspecError, RecursionError) as exc:
            return _problem(400, f"not understood: {exc}")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        asked.token = token if scheme.lower() == "bearer" else asked.token
        result = await trader.desk.gate.carry_out(asked, who=f"http {request.remote_addr or 'somebody'}")
        refused = 403 if result.reason == UNPROVEN else 409
        return _json(result, 200 if result.ok else refused)


def _add_socket(app: QuartTrio, trader: Trader) -> None:
    @app.websocket("/v3/ws")
    async def console_socket() -> Response | None:
        wanted = _Wanted.read(websocket.args)
        if isinstance(wanted, str):
            return _problem(400, wanted)
        await websocket.accept()
        peer: Any = websocket.scope.get("client")
        try:
            client, first = trader.desk.hub.join(
                batch_ms=wanted.batch_ms,
                epoch=wanted.epoch,
                last_seq=wanted.last_seq,
                peer=(peer[0], peer[1]) if peer else None,
                wishes=wanted.wishes,
            )
        except HubFull as exc:
            await websocket.close(CLOSE_TRY_LATER, str(exc))
            return None
        conversation = Conversation(trader.desk.hub, trader.desk.gate)
        wire = websocket.scope.get("state", {}).get(WIRE)
        await conversation.run(client, first, websocket.send, websocket.receive, wire)
        return None


class _Wanted(msgspec.Struct):
    """The query of the console's socket."""

    batch_ms: int
    epoch: str | None
    last_seq: int | None
    wishes: Wishes

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "_Wanted | str":
        """The query, or a sentence about what is wrong with it."""
        numbers: dict[str, int | None] = {}
        for name, most in (("batch_ms", 10_000), ("last_seq", 2**63)):
            text = query.get(name)
            if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
                return f"{name} {text[:30]!r} is not a whole number up to {most}"
            numbers[name] = None if text is None else int(text)
        names = {key: query[key].split(",") for key in ("topics", "markets", "books") if query.get(key)}
        try:
            wishes = read_wishes(**names, max_hz=float(query["max_hz"]) if "max_hz" in query else None)
        except NotUnderstood as exc:
            return str(exc)[:1000]
        except ValueError:
            return f"max_hz {query['max_hz'][:30]!r} is not a number"
        return cls(
            batch_ms=numbers["batch_ms"] or 0, epoch=query.get("epoch"), last_seq=numbers["last_seq"], wishes=wishes
        )

"""Who may read and who may command: origins, names, cross-site requests, files, methods, headers, and where to listen."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from tests.attack.raw import HOST, KEY, UPGRADE, ask, frame, head, many, open_socket
from tests.attack.visits import console, get, ready
from tests.running import eventually, running, running_trader
from tests.serving import Served
from traderv3.console.commands import REFUSAL_WAIT_S

pytestmark = pytest.mark.process

ROUTES = [
    "/",
    "/v3-trader",
    "/v3-trader/",
    "/v3-trader/index.html",
    "/v3/health",
    "/v3/health/live",
    "/v3/health/ready",
    "/v3/status",
    "/v3/markets",
    "/v3/markets/KXNOSUCH/book",
    "/v3/metrics",
    "/v3/events?after=0",
    "/v3/events?after=x",
    "/v3/replay?seq=1",
    "/v3/replay?seq=x",
    "/v3/ws",
    "/v3/commands",
    "/no/such/route",
]


def foreign_origins(port: int) -> list[str]:
    """Origins that are not ours, most of them nearly so."""
    return [
        "null",
        "",
        "https://evil.example",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.1:{port + 1}",
        "http://127.0.0.1",
        f"http://127.0.0.1:{port}0",
        f"http://127.0.0.1:{port}.evil.example",
        f"http://127.0.0.1:{port}@evil.example",
        f"http://evil.example/http://127.0.0.1:{port}",
        f"http://127.0.0.1:{port}/",
        f"http://127.0.0.1.evil.example:{port}",
        f"http://localhost.evil.example:{port}",
        f"http://evil-localhost:{port}",
        f"HTTP://127.0.0.1:{port}",
        f"http://LOCALHOST:{port}",
        f"http://127.1:{port}",
        f"http://2130706433:{port}",
        f"http://0.0.0.0:{port}",
        f"http://[::ffff:127.0.0.1]:{port}",
        f"http://127.0.0.1:{port} http://evil.example",
        f"http://evil.example, http://127.0.0.1:{port}",
        f"ws://127.0.0.1:{port}",
        "http://localhost:5173",
        "file://",
        "chrome-extension://abcdefghijklmnop",
    ]


async def test_no_foreign_origin_reads_a_route_or_opens_a_socket(served: Served) -> None:
    await ready(served)
    for origin in foreign_origins(served.port):
        for path, more in (("/v3/status", ""), ("/v3/ws", UPGRADE + KEY)):
            request = head(served.port, path=path, more=f"{more}Connection: close\r\nOrigin: {origin}\r\n")
            answer = await ask(served.port, request, within_s=2.0)

            assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), (origin, answer[:200])
            assert b"access-control-allow" not in answer.lower()


async def test_two_origins_are_one_too_many(served: Served) -> None:
    ours = f"Origin: http://127.0.0.1:{served.port}\r\n"
    request = head(served.port, path="/v3/status", more=f"{ours}Origin: http://evil.example\r\n")

    assert (await ask(served.port, request, within_s=2.0)).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "127.0.0.1:1",
        "127.0.0.1",
        "0.0.0.0:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "localhost:{port}@evil.example",
        "LOCALHOST.:{port}",
        "",
    ],
)
async def test_a_name_that_is_not_ours_is_refused_whatever_the_route(host: str, served: Served) -> None:
    name = host.format(port=served.port)
    for path in ROUTES:
        more = f"{UPGRADE}{KEY}" if path == "/v3/ws" else ""
        request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{more}\r\n".encode()
        answer = await ask(served.port, request, within_s=2.0)

        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), (path, answer[:200])


async def test_every_answer_carries_the_policies_and_allows_nobody_else(served: Served) -> None:
    await ready(served)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X" * 100]
    for method in methods:
        for path in ROUTES:
            answer = await ask(served.port, head(served.port, method=method, path=path, more="Connection: close\r\n"))
            status = answer.split(b" ", 2)[1]
            first, _, body = answer.partition(b"\r\n\r\n")
            text = first.lower()

            assert status in (b"200", b"400", b"403", b"404", b"405", b"410", b"415", b"503"), (method, path, first)
            assert b"content-security-policy: default-src 'none';" in text, (method, path, first)
            assert b"unsafe" not in text
            assert b"x-content-type-options: nosniff" in text
            assert b"cross-origin-resource-policy: same-origin" in text
            assert b"access-control-" not in text
            assert b"set-cookie" not in text
            assert b"hypercorn" not in text
            assert method not in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND") or status != b"200"
            assert method != "TRACE" or b"Host:" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/v3-trader/../app.py",
        "/v3-trader/../../etc/passwd",
        "/v3-trader/%2e%2e/%2e%2e/app.py",
        "/v3-trader/..%2fapp.py",
        "/v3-trader/..%5capp.py",
        "/v3-trader/....//app.py",
        "/v3-trader//etc/passwd",
        "/v3-trader/%2fetc%2fpasswd",
        "/v3-trader/%00",
        "/v3-trader/index.html%00.js",
        "/v3-trader/index.html/",
        "/v3-trader/assets",
        "/v3-trader/assets/",
        "/v3-trader/.",
        "/v3-trader/.vite/manifest.json/..",
        "/v3-trader/%c0%ae%c0%ae/app.py",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/data/sim/control-token",
        "/.git/config",
        "/.env",
    ],
)
async def test_no_path_leads_out_of_the_built_console_or_lists_it(path: str, served: Served) -> None:
    answer = await ask(served.port, head(served.port, path=path, more="Connection: close\r\n"))

    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]
    assert b"root:" not in answer
    assert b"import " not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/v3-trader/%0d%0aSet-Cookie:%20a=b",
        "/%0d%0aSet-Cookie:%20a=b",
        "/v3/markets/%0d%0aSet-Cookie:%20a=b/book",
        "/v3/events?after=%0d%0aSet-Cookie:%20a=b",
        "/v3-trader/<script>alert(1)</script>",
        "/v3/markets/<script>alert(1)</script>/book",
    ],
)
async def test_what_is_echoed_is_neither_a_header_nor_a_page(path: str, served: Served) -> None:
    answer = await ask(served.port, head(served.port, path=path, more="Connection: close\r\n"))
    first, _, _ = answer.partition(b"\r\n\r\n")

    assert not re.search(rb"^set-cookie", first, re.IGNORECASE | re.MULTILINE)
    assert b"content-type: application/json" in first.lower()


async def test_long_queries_and_many_headers_cost_little(served: Served) -> None:
    await ready(served)
    began = trio.current_time()
    for path in ("/v3/status?" + "a=b&" * 3_000, "/v3/events?after=" + "1" * 12_000, "/v3/replay?seq=" + "9" * 12_000):
        answer = await ask(served.port, head(served.port, path=path, more="Connection: close\r\n"))
        assert answer.split(b" ", 2)[1] in (b"200", b"400", b"404", b"410")
    many = "".join(f"X-{number}: y\r\n" for number in range(900))
    answer = await ask(served.port, head(served.port, path="/v3/health", more=many + "Connection: close\r\n"))

    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 431 "))
    assert trio.current_time() - began < 5.0


COMMAND = {"id": "1", "name": "restart_actor", "args": {"name": "discovery"}, "confirm": "discovery"}


async def post(served: Served, body: Any = None, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=30.0) as http:
        return await http.post(served.url + "/v3/commands", json=COMMAND if body is None else body, headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "text/plain; application/json"}, 415),
    ],
)
async def test_no_other_page_can_send_a_command_even_with_the_token(
    headers: dict[str, str], status: int, served: Served
) -> None:
    before = (await ready(served))["components"]["discovery"]["restarts"]
    answer = await post(served, **headers, Authorization=f"Bearer {served.token}")

    assert answer.status_code == status
    assert (await get(served, "/v3/status")).json()["components"]["discovery"]["restarts"] == before


async def test_the_token_is_taken_from_its_own_places_alone(served: Served) -> None:
    before = (await ready(served))["components"]["discovery"]["restarts"]
    tries: list[dict[str, str]] = [
        {"Cookie": f"token={served.token}", "X-Token": served.token},
        {"Authorization": f"Basic {served.token}"},
    ]
    for headers in tries:
        answer = await post(served, **headers)
        assert (answer.status_code, answer.json()["ok"]) == (403, False), headers
    by_query = await get(served, f"/v3/commands?token={served.token}")

    assert by_query.status_code == 405
    assert (await get(served, "/v3/status")).json()["components"]["discovery"]["restarts"] == before


async def test_an_answer_does_not_tell_a_right_token_from_a_wrong_one_without_the_wait(served: Served) -> None:
    """A command that is refused for its name must not betray whether the token was right: nobody waits for that."""
    unknown = {"id": "1", "name": "no such"}
    right = await post(served, unknown, Authorization=f"Bearer {served.token}")
    wrong = await post(served, unknown, Authorization="Bearer wrong")

    assert right.status_code == wrong.status_code
    assert right.json() == wrong.json()


async def test_guesses_by_post_and_by_socket_stand_in_one_line(served: Served) -> None:
    guesses = 2
    began = trio.current_time()

    async def by_post() -> None:
        assert (await post(served, Authorization="Bearer guess")).status_code == 403

    async def by_socket() -> None:
        async with console(served) as browser:
            await browser.until("trader_status")
            result = await browser.command("restart_actor", "guess", confirm="discovery", name="discovery")
            assert not result["ok"]

    async with trio.open_nursery() as nursery:
        for number in range(guesses):
            nursery.start_soon(by_post if number % 2 else by_socket)
        for _ in range(20):  # and meanwhile everybody reads as ever
            assert (await get(served, "/v3/health")).status_code == 200

    assert trio.current_time() - began >= (guesses / 2) * REFUSAL_WAIT_S  # a socket hears of others' results, too


@asynccontextmanager
async def crowd(port: int, wrong: bytes, *, size: int) -> AsyncIterator[None]:
    """So many have sent this command and wait for what becomes of it, every other one by socket."""
    more = f"Content-Type: application/json\r\nContent-Length: {len(wrong)}\r\n"
    streams: list[trio.SocketStream] = []

    async def hear(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    with many(streams):
        async with trio.open_nursery() as nursery:
            for number in range(size):
                if number % 2:
                    stream = await open_socket(port)
                    await stream.send_all(frame(b'{"type":"command","data":%b}' % wrong))
                else:
                    stream = await trio.open_tcp_stream(HOST, port)
                    await stream.send_all(head(port, method="POST", path="/v3/commands", more=more) + wrong)
                streams.append(stream)
                nursery.start_soon(hear, stream)
            yield
            nursery.cancel_scope.cancel()


async def test_a_halt_does_not_wait_behind_two_hundred_who_guess(tmp_path: Path) -> None:
    halt = {"name": "halt", "confirm": "HALT SIM", "args": {}}
    wrong = msgspec.json.encode({**halt, "id": "guess", "token": "guess"})
    by_socket_s, by_post_s = [], []

    async with running_trader(tmp_path) as trader, trader.console() as owner:
        await trader.until_ready()
        async with crowd(trader.port, wrong, size=200):
            assert not (await owner.until("command_result"))["data"]["ok"]  # the line moves
            for number in range(20):
                began = trio.current_time()
                await owner.send("command", **halt, id=f"mine {number}", token=trader.token)
                while (result := (await owner.until("command_result"))["data"])["id"] != f"mine {number}":
                    assert result["id"] == "guess" or result["ok"], result
                by_socket_s.append(trio.current_time() - began)

                began = trio.current_time()
                proof = {"Authorization": f"Bearer {trader.token}"}
                answer = await trader.http.post(f"{trader.url}/v3/commands", json={"id": "post", **halt}, headers=proof)
                by_post_s.append(trio.current_time() - began)
                assert (result["ok"], answer.status_code) == (True, 200)
                if max(min(by_socket_s), min(by_post_s)) < 0.1:  # the least: the machine is shared
                    break

    assert min(by_socket_s) < 0.1, by_socket_s
    assert min(by_post_s) < 0.1, by_post_s


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
async def test_without_a_token_nobody_listens_beyond_loopback(host: str, tmp_path: Path) -> None:
    async with running("run", "sim", "--port", "0", cwd=tmp_path, V3_HOST=host) as child:
        with trio.fail_after(20):
            code = await child.process.wait()

    assert code == 2
    assert b"V3_CONTROL_TOKEN" in child.err
    assert b"nothing was started" in child.err
    assert not (tmp_path / "data" / "sim").exists()


async def test_bound_to_every_address_a_foreign_name_is_still_foreign(tmp_path: Path) -> None:
    """DNS rebinding takes a name; an address, and this machine's own name, cannot be rebound."""
    token = "a-token-of-more-than-sixteen-characters"
    async with running("run", "sim", "--port", "0", cwd=tmp_path, V3_HOST="0.0.0.0", V3_CONTROL_TOKEN=token) as child:
        found = await child.wait_for(rb"console: http://[^/:]+:(\d+)/")
        port = int(found[1])

        async def serves() -> bool:
            return (await status_for(f"127.0.0.1:{port}")) == b"200"

        async def status_for(host: str, origin: str = "") -> bytes:
            more = f"Origin: {origin}\r\n" if origin else ""
            request = f"GET /v3/health/live HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n".encode()
            try:
                return (await ask(port, request)).split(b" ", 2)[1]
            except (OSError, IndexError):
                return b""

        await eventually(serves, "it serves")
        answers = {
            host: await status_for(host)
            for host in (
                f"evil.example:{port}",
                f"192.0.2.7:{port}",
                f"{socket.gethostname().lower()}:{port}",
                "[::1]:1",
            )
        }
        rebound = await status_for(f"evil.example:{port}", origin=f"http://evil.example:{port}")
        crossed = await status_for(f"192.0.2.7:{port}", origin=f"http://127.0.0.1:{port}1")
        ours = await status_for(f"192.0.2.7:{port}", origin=f"http://192.0.2.7:{port}")

    assert list(answers.values()) == [b"403", b"200", b"200", b"403"]
    assert (rebound, crossed, ours) == (b"403", b"403", b"200")


async def test_the_token_file_is_its_owners_and_new_for_each_process(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        async with running_trader(tmp_path) as trader:
            file = tmp_path / "data" / "sim" / "control-token"
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.read_text().strip() == trader.token
            tokens.append(trader.token)

    assert tokens[0] != tokens[1]
    assert min(map(len, tokens)) >= 32

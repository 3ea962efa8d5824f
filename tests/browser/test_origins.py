"""Who may talk to the trader: a page of another origin may not, in a browser that means it; and what headers guard ours."""

import http.client

import pytest
from playwright.sync_api import Page, expect

from tests.browser.load import naive_page
from tests.browser.wall import open_console
from tests.serving import Served

pytestmark = [pytest.mark.process, pytest.mark.browser]


def upgrade(served: Served, **headers: str) -> int:
    """The status of a WebSocket's upgrade with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    key = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    connection.request("GET", "/v3/ws", headers={**key, **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_page_of_another_origin_gets_no_socket(page: Page, served: Served) -> None:
    with naive_page() as origin:
        page.goto(f"{origin}/naive.html#{served.address}")
        page.wait_for_function("() => document.getElementById('link').textContent === 'closed'")

        expect(page.locator("#shown")).to_have_text("0")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_a_foreign_origin_is_refused(served: Served, origin: str) -> None:
    assert upgrade(served, Origin=origin) == 403


def test_our_own_origin_opens(served: Served) -> None:
    assert upgrade(served, Origin=served.url) == 101
    assert upgrade(served) == 101  # curl on loopback


@pytest.mark.parametrize("path", ["/v3/ws", "/v3/status", "/v3-trader"])
def test_a_rebound_host_is_refused(served: Served, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("GET", path, headers={"Host": f"evil.example:{served.port}"})

    assert connection.getresponse().status == 403
    connection.close()


def test_the_page_works_under_a_policy_that_allows_nothing_unsafe(page: Page, served: Served) -> None:
    answer = page.goto(f"{served.url}/v3-trader")
    assert answer is not None
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    open_console(page, served)  # the page's fixture fails on a violation

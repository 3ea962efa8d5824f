"""Which door a run gets, and with which key: `paper` has a door of its own, which takes demo endpoints alone."""

import random
from collections.abc import Callable
from pathlib import Path

from traderv3.clients.door import SOCKETS, Door, Wires
from traderv3.clients.kalshi_demo_client import KalshiDemoClient
from traderv3.clients.order_rest import OrderRest
from traderv3.clients.transport import TransportLimits
from traderv3.config.endpoints import DemoEndpoint, Endpoint
from traderv3.config.environment import Environment
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.domain.errors import EnvironmentMismatch
from traderv3.protocol.signing import Signer, load_private_key


def open_door(
    api: Endpoint,
    ws: Endpoint,
    signer: Signer,
    *,
    wall_us: Callable[[], int],
    rng: random.Random,
    wires: Wires = SOCKETS,
) -> Door:
    """The door that the endpoints' environment asks for. Opens no connection yet. Raises `EnvironmentMismatch`."""
    limits = TransportLimits(
        connect_s=LIMITS.connect_s, handshake_s=LIMITS.handshake_s, ping_s=LIMITS.ping_s, silence_s=LIMITS.silence_s
    )
    if isinstance(api, DemoEndpoint) and isinstance(ws, DemoEndpoint):
        return KalshiDemoClient(api, ws, signer, wall_us=wall_us, rng=rng, limits=limits)
    if Environment.PAPER in (api.environment, ws.environment):
        msg = "paper reaches the demo exchange alone"
        raise EnvironmentMismatch(msg)
    return Door(api, ws, signer, wall_us=wall_us, rng=rng, limits=limits, wires=wires)


def open_order_rest(door: Door, settings: Settings) -> OrderRest:
    """The way for orders, where these settings allow any. Raises `EnvironmentMismatch`."""
    if not settings.may_trade:
        msg = f"these settings let no order leave ({settings.environment})"
        raise EnvironmentMismatch(msg)
    return door.open_orders(is_enabled=settings.enable_trading, armed_key_id=settings.arm_production)


def find_signer(settings: Settings) -> Signer:
    """The configured key, or in `sim` the one that the embedded exchange made. Raises `EnvironmentMismatch`."""
    if settings.credentials is None:
        return embedded_signer(settings.data_dir / "exchange" / "private_key.pem")
    return Signer(settings.credentials.key_id, load_private_key(settings.credentials.private_key.reveal()))


def embedded_signer(private_key: Path) -> Signer:
    """The key pair that the embedded exchange made at its first start. Raises `EnvironmentMismatch`."""
    try:
        key_id = private_key.with_name("key_id").read_text(encoding="ascii").strip()
        return Signer(key_id, load_private_key(private_key.read_text(encoding="ascii")))
    except OSError as exc:
        msg = f"no key of the embedded exchange ({exc.filename}: {exc.strerror}); was it started with this V3_DATA_DIR?"
        raise EnvironmentMismatch(msg) from exc

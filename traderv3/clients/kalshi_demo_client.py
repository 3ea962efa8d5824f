"""The only door of `paper`: Kalshi's demo exchange, by type and by check.

It takes `DemoEndpoint`s, which cannot be made for any other host, and refuses anything else at run time as well, so
that neither a wrong variable, a look-alike host, a port, user information nor a redirect leads elsewhere.
"""

import random
from collections.abc import Callable

from traderv3.clients.door import Door
from traderv3.clients.transport import TransportLimits
from traderv3.config.endpoints import DemoEndpoint
from traderv3.config.environment import Environment
from traderv3.domain.errors import EnvironmentMismatch
from traderv3.protocol.signing import Signer


class KalshiDemoClient(Door):
    """Kalshi's demo exchange and nothing else."""

    def __init__(
        self,
        api: DemoEndpoint,
        ws: DemoEndpoint,
        signer: Signer,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        limits: TransportLimits | None = None,
    ) -> None:
        given: tuple[object, object] = (api, ws)  # checked below as if the types said nothing
        for endpoint in given:
            if not isinstance(endpoint, DemoEndpoint) or endpoint.host not in Environment.PAPER.policy.hosts:
                msg = f"{endpoint} is not an endpoint of the demo exchange"
                raise EnvironmentMismatch(msg)
        super().__init__(api, ws, signer, wall_us=wall_us, rng=rng, limits=limits)

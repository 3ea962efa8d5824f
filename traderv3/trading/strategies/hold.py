"""Never trades. What runs unless a person names something else."""

from collections.abc import Sequence
from typing import Final

from traderv3.config.strategy_file import NoParameters
from traderv3.domain.orders import Intent
from traderv3.trading.strategies.view import View


class Hold:
    """The strategy that wants nothing, and withdraws nothing."""

    name: Final = "hold"

    def __init__(self, _: NoParameters) -> None: ...

    def decide(self, view: View) -> Sequence[Intent]:
        """Nothing."""
        assert view.at_us >= 0
        return ()

"""What the exchange's hours say to a person, and when silence is to be expected."""

import pytest

from traderv3.domain.hours import Hours, Pause

THURSDAY = 1_795_075_200_000_000  # 2026-11-19T08:00:00Z, 03:00 in New York
TWO_HOURS = 2 * 3600 * 1_000_000
PAUSE = Pause(THURSDAY, THURSDAY + TWO_HOURS)
OPEN = Hours(is_exchange_active=True, is_trading_active=True)


@pytest.mark.parametrize(
    ("hours", "at_us", "is_closed", "sentence"),
    [
        (Hours(), THURSDAY, False, None),
        (OPEN, THURSDAY, False, None),
        (Hours(True, True, pause=PAUSE), THURSDAY - 1, False, None),
        (
            Hours(True, False, pause=PAUSE),
            THURSDAY,
            True,
            "the exchange has its maintenance window until 2026-11-19 10:00 UTC: "
            "trading rests, connections may drop, cancels are taken",
        ),
        (
            Hours(pause=PAUSE),
            THURSDAY,
            True,
            "the exchange has its maintenance window until 2026-11-19 10:00 UTC: "
            "trading rests, connections may drop, cancels are taken",
        ),
        (Hours(True, True, pause=PAUSE), THURSDAY, False, None),  # it says that it trades
        (Hours(pause=PAUSE), THURSDAY + TWO_HOURS, False, None),
        (
            Hours(True, False),
            THURSDAY,
            False,
            "trading is paused at the exchange: no new orders, cancels are taken",
        ),
        (
            Hours(True, False, resume_us=THURSDAY + TWO_HOURS),
            THURSDAY,
            False,
            "trading is paused at the exchange until 2026-11-19 10:00 UTC: no new orders, cancels are taken",
        ),
        (
            Hours(False, False, resume_us=THURSDAY + TWO_HOURS, pause=PAUSE),
            THURSDAY,
            True,
            "the exchange is paused until 2026-11-19 10:00 UTC: no orders, no cancels; nothing to mend here",
        ),
    ],
)
def test_hours_say_what_is_closed_and_until_when(
    hours: Hours, at_us: int, is_closed: bool, sentence: str | None
) -> None:
    assert hours.is_closed(at_us) is is_closed
    assert hours.sentence(at_us) == sentence

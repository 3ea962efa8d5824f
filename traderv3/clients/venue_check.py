"""Reach the venue once and say what was found: exchange status, next pause, clock, key, limits. For `traderv3 check`."""

import random
from collections.abc import Callable

from traderv3.clients.doors import find_signer, open_door
from traderv3.config.settings import Settings
from traderv3.domain.errors import EnvironmentMismatch, TraderError, VenueRefused
from traderv3.domain.timestamps import rfc3339
from traderv3.protocol.schedule import next_pause

EXIT_OK, EXIT_UNREACHED, EXIT_CONFIGURATION, EXIT_REFUSED = 0, 1, 2, 3


async def check_venue(settings: Settings, say: Callable[[str], None], *, wall_us: Callable[[], int]) -> int:
    """Tell `say` a line for each finding; return the process's exit code."""
    if settings.api is None or settings.ws is None:
        say("venue        the embedded exchange is started with the trader; nothing to reach")
        return EXIT_OK
    try:
        door = open_door(settings.api, settings.ws, find_signer(settings), wall_us=wall_us, rng=random.Random())
        try:
            status = await door.rest.exchange_status()
            say(f"exchange     {'open' if status.exchange_active else 'PAUSED'}")
            say(f"trading      {'open' if status.trading_active else 'PAUSED'} at the venue")
            pause = next_pause(await door.rest.schedule(), wall_us())
            say(
                f"next pause   {f'{rfc3339(pause.starts_us)} to {rfc3339(pause.ends_us)}' if pause else 'none announced'}"
            )
            say(f"clock        the venue's is ahead of ours by {door.clock.offset_us / 1e6:.1f} s")
            await door.rest.read_limits()
            stats = door.rest.stats()
            say(f"key          accepted, tier {stats.usage_tier}")
            say(f"limits       {stats.read_rate} read and {stats.write_rate} write tokens a second")
        finally:
            await door.rest.aclose()
    except VenueRefused as exc:
        say(f"venue        refused: {exc}")
        return EXIT_REFUSED if exc.is_about_the_key else EXIT_UNREACHED
    except EnvironmentMismatch as exc:
        say(f"venue        {exc}")
        return EXIT_CONFIGURATION
    except TraderError as exc:
        say(f"venue        {exc}")
        return EXIT_UNREACHED
    return EXIT_OK

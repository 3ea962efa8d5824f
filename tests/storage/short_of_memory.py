"""`traderv3` with a journal whose queue is small, so that a full disk costs frames within seconds; else the program as it is."""

import sys
from dataclasses import replace

from traderv3.config import limits

QUEUE_FRAMES_MAX = 1_000

if __name__ == "__main__":
    vars(limits)["JOURNAL"] = replace(limits.JOURNAL, queue_frames_max=QUEUE_FRAMES_MAX)  # before anybody has read it
    from traderv3.cli import main

    sys.exit(main())

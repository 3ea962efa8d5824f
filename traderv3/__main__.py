"""`python -m traderv3` is the same as `traderv3`."""

import sys

from traderv3.cli import main

if __name__ == "__main__":
    sys.exit(main())

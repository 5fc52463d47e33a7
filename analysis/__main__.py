"""`python -m analysis call.wav`."""

import sys

from analysis import stop_signals
from analysis.cli import main

if __name__ == "__main__":
    with stop_signals.handled(stop_signals.leave):
        sys.exit(main())

"""`python -m analysis call.wav`."""

import sys

from analysis.cli import main

if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python
"""Django's command line, the same as `callanalytics`."""

from callanalytics.__main__ import main

if __name__ == "__main__":
    main()

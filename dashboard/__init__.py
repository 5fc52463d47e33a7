"""The web interface: server-rendered pages over the selectors and services of `callanalytics`."""

"""Says before anything else whether a port can be served on. Standard library only: `make demo` runs it before there is a `.venv`."""

from __future__ import annotations

import errno
import socket
import sys


def port_trouble(port: str, host: str = "127.0.0.1") -> str | None:
    """Why nothing can be served on the port, in plain words with what to do; None where it is free."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return f"PORT must be a number from 1 to 65535, not {port!r}."
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except OSError as error:
            return _reason(error, port)
    return None


def _reason(error: OSError, port: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop that one, or choose another port: make demo PORT={_another(int(port))}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have. Choose one above 1023: make demo PORT=8000"
    return f"Port {port} cannot be used ({error.strerror}). Choose another one: make demo PORT=8000"


def _another(port: int) -> int:
    return port + 1 if port < 65535 else 8000


def main(arguments: list[str]) -> int:
    trouble = port_trouble(arguments[0])
    if trouble:
        sys.stderr.write(trouble + "\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

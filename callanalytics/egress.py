"""Everything that leaves the platform over HTTP goes through here: webhooks, and recordings that are fetched.

A name is resolved once, every address it stands for is looked at, and the connection is made to the one that was looked at: an answer
that changes between the look and the connect changes nothing. A redirect is an answer. Proxies of the environment are not used.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import certifi
import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from httpcore import SOCKET_OPTION

log = logging.getLogger(__name__)

URL = httpx.URL
"""For whoever must read an address as requests do."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = frozenset({443, 8443})
CONNECT_S = 10.0
IDLE_CONNECTIONS, IDLE_S = 32, 20.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 3
EMBEDDING: Sequence[tuple[ipaddress.IPv6Network, int]] = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 networks that carry an IPv4 address, and how many bits lie below it: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056)."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that was ever given out of IPv6; what lies beside it, as `::ffff:0:127.0.0.1` (RFC 2765), may mean something to a router inside."""
REFUSED: Sequence[Network] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT (RFC 6598), and what some clouds keep metadata in
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215): where the IPv4 address lies is up to the site
        "2001::/23",  # Teredo and other special purposes
        "2001:db8::/32",
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Beside what `ipaddress` itself says is not public."""


class EgressError(Exception):
    """A request that brought no answer. `kind`: refused, name, connect, tls, timeout, reset, status, too_large.

    The message may be shown to who asked for the request: it tells of no address that a name stands for.
    """

    def __init__(self, message: str, kind: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.status = status
        """What the server answered, for the kind `status`."""


class Sink(Protocol):
    """Takes what is fetched, piece by piece; what it raises ends the request."""

    def write(self, chunk: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """One receiver on the premises that the operator opened: a host or a network, on any port or on one, with or without TLS."""

    host: str | Network
    port: int | None
    plain: bool
    """Also without TLS."""

    def covers(self, host: str, addresses: Iterable[Address], port: int) -> bool:
        if self.port not in (None, port):
            return False
        if isinstance(self.host, str):
            return self.host == host
        return all(address in self.host for address in addresses)


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go: any public address by https, and what is allowed beside."""

    allowed: tuple[Allowed, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Policy:
        """From `crm.internal:8443`, `10.2.0.0/16`, `http://10.0.0.7:8080`. Raises ValueError for an entry that is none of these."""
        return cls(tuple(_allowed(entry.strip()) for entry in entries if entry.strip()))

    def check_url(self, url: str) -> URL:
        """What can be said before a name is resolved. Raises EgressError."""
        try:
            parsed = URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise EgressError("The address is no URL that can be read.", "refused") from error
        if parsed.scheme not in ("https", "http") or not parsed.host:
            raise EgressError("The address must begin with https:// and name a host.", "refused")
        if parsed.userinfo:
            raise EgressError("The address must not hold a user name or password.", "refused")
        if parsed.scheme == "http" and not any(each.plain for each in self.allowed):
            raise EgressError("The address must begin with https://.", "refused")
        return parsed

    def check_given(self, url: str) -> None:
        """What can be said of an address that somebody hands in, without asking for its name. Raises EgressError."""
        parsed = self.check_url(url)
        address = _network(parsed.host)
        if address is not None:
            plain = parsed.scheme == "http"
            self.check(parsed.host, [address.network_address], parsed.port or (80 if plain else 443), plain=plain)

    def check_receiver(self, url: str) -> None:
        """Whether a request would be made there now. Raises EgressError, the same for an unknown name as for one that stands inside."""
        parsed = self.check_url(url)
        port = parsed.port or (80 if parsed.scheme == "http" else 443)
        try:
            host = parsed.raw_host.decode("ascii")
            self.check(host, resolve(host, port), port, plain=parsed.scheme == "http")
        except EgressError as error:
            raise EgressError(
                "Requests may not be sent to this address, or its host is not known. An operator can open an address on the premises "
                "with CALLANALYTICS_EGRESS_ALLOW.",
                "refused",
            ) from error

    def check(self, host: str, addresses: Sequence[Address], port: int, *, plain: bool) -> None:
        """Whether a connection may be made. Raises EgressError, with the reason in the log only."""
        if any(each.covers(host, addresses, port) and (each.plain or not plain) for each in self.allowed):
            return
        inner = [address for address in addresses if not is_public(address)]
        if plain or port not in PORTS or inner:
            log.warning("refused a request to %s port %d, plain=%s: %s", host, port, plain, ", ".join(map(str, inner)) or "public")
            raise EgressError(
                "This address is not one that requests may be sent to. An operator can open it with CALLANALYTICS_EGRESS_ALLOW.", "refused"
            )


def _allowed(entry: str) -> Allowed:
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise ValueError(f"{entry!r} begins with neither http:// nor https://")
    whole = _network(rest)
    if whole is not None:
        return Allowed(whole, None, plain=scheme == "http")
    parsed = URL(f"https://{rest}")
    if not parsed.host or parsed.path != "/" or parsed.userinfo:
        raise ValueError(f"{entry!r} is neither a host, nor host:port, nor a network")
    return Allowed(_network(parsed.host) or parsed.host, parsed.port, plain=scheme == "http")


def _network(host: str) -> Network | None:
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant; the IPv4 address inside an IPv6 one counts too."""
    if any(address in network for network in REFUSED if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        for network, below in EMBEDDING:
            if address in network:
                return is_public(ipaddress.IPv4Address(int(address) >> below & 0xFFFFFFFF))
        if address not in UNICAST:
            return False
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int) -> list[Address]:
    """Every address the name stands for, in the resolver's order. Raises EgressError where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise EgressError("The name of the host could not be resolved.", "name") from error
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class _Current(threading.local):
    """What the request that this thread is in may do: until when, by time.monotonic(), and whether without TLS."""

    until: float | None = None
    plain: bool = False

    def left(self, timeout: float | None) -> float | None:
        """The shorter of a timeout and what is left of the request. Raises httpcore.ReadTimeout where nothing is."""
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the request took too long")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection on which no read or write goes beyond the end of the request, so that bytes that dribble in end too."""

    def __init__(self, inner: httpcore.NetworkStream, current: _Current) -> None:
        self._inner = inner
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._current.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._current.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> Self:
        return type(self)(self._inner.start_tls(ssl_context, server_hostname, self._current.left(timeout)), self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects to the address that was checked, not to a name that may mean another by then."""

    def __init__(self, policy: Policy, current: _Current) -> None:
        self._policy = policy
        self._current = current
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = resolve(host, port)
        self._policy.check(host, addresses, port, plain=self._current.plain)
        failed: Exception | None = None
        for address in addresses:
            try:
                inner = self._inner.connect_tcp(str(address), port, self._current.left(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(inner, self._current)
        raise failed or httpcore.ConnectError("no address")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    """The body went on beyond what was asked for."""


def _no_headers(_url: URL) -> Mapping[str, str]:
    return {}


class Egress:
    """Sends requests under a policy; keeps connections for the next one, and may be shared by threads."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._current = _Current()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(cafile=certifi.where()),
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_S,
            network_backend=_Backend(policy, self._current),
        )

    def post(self, url: str, content: bytes, headers: Mapping[str, str], *, timeout_s: float, max_bytes: int) -> Answer:
        """Send a body and read at most `max_bytes` of the answer, all within `timeout_s`. A redirect is an answer. Raises EgressError."""
        with self._sent("POST", url, headers, content, timeout_s) as response:
            body = b""
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > max_bytes:
                    break
            return Answer(response.status, _read(response), body[:max_bytes], len(body) > max_bytes)

    def fetch(
        self,
        url: str,
        out: Sink,
        *,
        timeout_s: float,
        max_bytes: int,
        silence_s: float | None = None,
        headers_for: Callable[[URL], Mapping[str, str]] = _no_headers,
    ) -> Mapping[str, str]:
        """Write what lies at an address to `out`; its headers. Redirects are followed, each under the policy. Raises EgressError.

        `silence_s` is how long the server may say nothing. `headers_for` is asked at each step for what that address alone is told.
        """
        until = time.monotonic() + timeout_s
        for _ in range(MOST_REDIRECTS + 1):
            given = headers_for(self._policy.check_url(url))
            with self._sent("GET", url, given, b"", until - time.monotonic(), silence_s) as response:
                headers = _read(response)
                if response.status in REDIRECTS and "location" in headers:
                    url = _joined(url, headers["location"])
                    continue
                if response.status != 200:
                    raise EgressError(f"The server answered {response.status}.", "status", response.status)
                _copy(response, headers, out, max_bytes)
                return headers
        raise EgressError(f"The address redirects more than {MOST_REDIRECTS} times.", "refused")

    @contextmanager
    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, timeout_s: float, silence_s: float | None = None
    ) -> Iterator[httpcore.Response]:
        parsed = self._policy.check_url(url)
        self._current.until, self._current.plain = time.monotonic() + timeout_s, parsed.scheme == "http"
        target = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        given = {"host": parsed.netloc.decode("ascii"), "user-agent": "callanalytics", "accept": "*/*", **headers}
        fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in given.items()]
        timeouts = {"connect": CONNECT_S, "read": silence_s or timeout_s, "write": silence_s or timeout_s, "pool": timeout_s}
        try:
            with (
                _in_words(),
                self._pool.stream(method, target, headers=fields, content=content, extensions={"timeout": timeouts}) as response,
            ):
                yield response
        finally:
            self._current.until = None


def _joined(url: str, location: str) -> str:
    try:
        return str(URL(url).join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise EgressError("The server redirects to something that is no address.", "refused") from error


def _read(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _copy(response: httpcore.Response, headers: Mapping[str, str], out: Sink, max_bytes: int) -> None:
    stated = headers.get("content-length", "")
    size = int(stated) if stated.isdecimal() else 0
    if size <= max_bytes:
        size = 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > max_bytes:
                break
            out.write(chunk)
    if size > max_bytes:
        raise EgressError(f"What lies there is larger than {max_bytes} bytes.", "too_large")


@contextmanager
def _in_words() -> Iterator[None]:
    """What went wrong on the way, as an EgressError."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise EgressError("There was no whole answer in time.", "timeout") from error
    except httpcore.ConnectError as error:
        if isinstance(error.__context__, ssl.SSLError):
            raise EgressError("The certificate of the host was not accepted.", "tls") from error
        raise EgressError("No connection to the host could be made.", "connect") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise EgressError("The connection broke off before there was a whole answer.", "reset") from error

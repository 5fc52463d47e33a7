"""Egress: where requests may go, whatever a name, a redirect or a slow server tries."""

from __future__ import annotations

import io
import ipaddress
import socket
import time
from typing import TYPE_CHECKING, Any

import httpcore
import pytest

from callanalytics import egress
from callanalytics.egress import Egress, EgressError, Policy
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.receiver import Receiver

INNER = (
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:2::1",
    "100::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
)
OUTER = ("93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822", "::ffff:93.184.216.34")


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses_are_not_public(address: str) -> None:
    assert not egress.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTER)
def test_the_internet_is_public(address: str) -> None:
    assert egress.is_public(ipaddress.ip_address(address))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def open_egress(receiver: Receiver) -> Egress:
    return Egress(Policy.of([receiver.url]))


def post(client: Egress, url: str, *, timeout_s: float = 5.0) -> egress.Answer:
    return client.post(url, b'{"a": 1}', {"content-type": "application/json"}, timeout_s=timeout_s, max_bytes=1000)


def kind_of(client: Egress, url: str, *, timeout_s: float = 5.0) -> str:
    with pytest.raises(EgressError) as caught:
        post(client, url, timeout_s=timeout_s)
    return caught.value.kind


def test_a_body_is_sent_and_the_answer_read(open_egress: Egress, receiver: Receiver) -> None:
    answer = post(open_egress, receiver.url + "/fine?x=1")
    assert (answer.status, answer.body, answer.truncated) == (200, b"thanks", False)
    ((method, path, body, headers),) = receiver.asked
    assert (method, path, body) == ("POST", "/fine?x=1", b'{"a": 1}')
    assert headers["host"] == receiver.url.removeprefix("http://")
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == "8"


def test_a_long_answer_is_cut(open_egress: Egress, receiver: Receiver) -> None:
    answer = post(open_egress, receiver.url + "/long")
    assert (len(answer.body), answer.truncated) == (1000, True)
    assert post(open_egress, receiver.url + "/fine").body == b"thanks"


def test_a_redirect_is_an_answer_and_nobody_follows_it(open_egress: Egress, receiver: Receiver) -> None:
    assert post(open_egress, receiver.url + "/metadata").status == 302
    assert len(receiver.asked) == 1


@pytest.mark.parametrize(("path", "kind"), [("/silent", "timeout"), ("/dribble", "timeout"), ("/reset", "reset")])
def test_no_answer_in_time_is_told_in_time(open_egress: Egress, receiver: Receiver, path: str, kind: str) -> None:
    began = time.monotonic()
    assert kind_of(open_egress, receiver.url + path, timeout_s=1.0) == kind
    assert time.monotonic() - began < 4.0


def test_loopback_is_refused_unless_it_is_allowed_and_the_message_tells_no_address(receiver: Receiver) -> None:
    for policy in (Policy(), Policy.of(["http://127.0.0.1:1"]), Policy.of(["http://10.0.0.0/8"]), Policy.of(["127.0.0.1"])):
        with pytest.raises(EgressError) as caught:
            post(Egress(policy), receiver.url + "/fine")
        assert caught.value.kind == "refused"
        assert "127" not in caught.value.message
    assert not receiver.asked


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "https://", "//example.org", "https://user:secret@example.org/", "http://example.org/", "gopher://x", "\x00"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert kind_of(Egress(Policy()), url) == "refused"


def answers(monkeypatch: pytest.MonkeyPatch, *looks: list[str]) -> list[str]:
    """The resolver gives these addresses, look by look; gives the list that connections are noted in."""
    given, connected = iter(looks), []

    def resolved(host: str, port: int, **_kind: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(given)]

    def connect(_self: Any, host: str, port: int, *_rest: Any) -> httpcore.NetworkStream:
        connected.append(f"{host}:{port}")
        raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return connected


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = answers(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    assert kind_of(Egress(Policy()), "https://rebinding.example/") == "connect"
    assert connected == ["93.184.216.34:443"]


def test_one_inner_address_among_public_ones_refuses_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = answers(monkeypatch, ["93.184.216.34", "10.0.0.7"])
    assert kind_of(Egress(Policy()), "https://mixed.example/") == "refused"
    assert not connected


def test_ports_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = answers(monkeypatch, ["93.184.216.34"], ["93.184.216.34"])
    assert kind_of(Egress(Policy()), "https://ssh.example:22/") == "refused"
    assert kind_of(Egress(Policy()), "https://other.example:8443/") == "connect"
    assert connected == ["93.184.216.34:8443"]


def test_a_name_that_means_nothing_is_told() -> None:
    assert kind_of(Egress(Policy()), "https://no-such-host.invalid/") == "name"


def test_what_lies_at_an_address_is_fetched(open_egress: Egress, receiver: Receiver) -> None:
    out = io.BytesIO()
    open_egress.fetch(receiver.url + "/elsewhere", out, timeout_s=5.0, max_bytes=1000)
    assert out.getvalue() == b"thanks"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/metadata", "refused"), ("/round", "refused"), ("/missing", "status"), ("/long", "too_large"), ("/silent", "timeout")],
)
def test_what_cannot_be_fetched_is_told_why(open_egress: Egress, receiver: Receiver, path: str, kind: str) -> None:
    with pytest.raises(EgressError) as caught:
        open_egress.fetch(receiver.url + path, io.BytesIO(), timeout_s=1.0, max_bytes=1000)
    assert caught.value.kind == kind


def test_a_host_is_told_what_it_alone_may_know_also_after_a_redirect(receiver: Receiver) -> None:
    with receiving() as other:
        receiver.moved = f"http://localhost:{other.server_address[1]}/fine"
        client = Egress(Policy.of([receiver.url, receiver.moved.removesuffix("/fine")]))
        secret = {"127.0.0.1": {"authorization": "Basic c2VjcmV0"}}
        client.fetch(receiver.url + "/moved", io.BytesIO(), timeout_s=5.0, max_bytes=1000, headers_for=lambda url: secret.get(url.host, {}))
        assert receiver.asked[0][3]["authorization"] == "Basic c2VjcmV0"
        assert "authorization" not in other.asked[0][3]


def test_a_redirect_to_something_that_is_no_address_is_refused(open_egress: Egress, receiver: Receiver) -> None:
    receiver.moved = "https://example.org:none/"
    with pytest.raises(EgressError) as caught:
        open_egress.fetch(receiver.url + "/moved", io.BytesIO(), timeout_s=1.0, max_bytes=1000)
    assert caught.value.kind == "refused"


def test_a_server_that_falls_silent_is_left_before_the_whole_time_is_over(open_egress: Egress, receiver: Receiver) -> None:
    began = time.monotonic()
    with pytest.raises(EgressError) as caught:
        open_egress.fetch(receiver.url + "/silent", io.BytesIO(), timeout_s=60.0, silence_s=0.5, max_bytes=1000)
    assert (caught.value.kind, caught.value.status) == ("timeout", None)
    assert time.monotonic() - began < 4.0


def test_the_answer_that_ended_a_fetch_is_told(open_egress: Egress, receiver: Receiver) -> None:
    with pytest.raises(EgressError) as caught:
        open_egress.fetch(receiver.url + "/missing", io.BytesIO(), timeout_s=5.0, max_bytes=1000)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/x", "https://[::ffff:169.254.169.254]/x", "http://example.org/", "https://10.0.0.1:8443/"]
)
def test_what_is_handed_in_is_refused_by_its_looks_without_asking_for_a_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was asked for"))
    Policy().check_given("https://no-such-host.invalid/x")
    Policy.of(["10.0.0.0/8"]).check_given("https://10.0.0.1:9999/x")
    with pytest.raises(EgressError) as caught:
        Policy().check_given(url)
    assert caught.value.kind == "refused"


@pytest.mark.parametrize("entry", ["ftp://example.org", "example.org/path", "user@example.org", "10.0.0.0/33", "https://"])
def test_an_entry_of_the_allow_list_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Policy.of([entry])


def test_allowed_hosts_and_networks_cover_what_they_say() -> None:
    policy = Policy.of(["crm.internal:8443", "10.2.0.0/16", "http://10.3.0.7:8080", " "])
    here, there = [ipaddress.ip_address("10.2.0.9")], [ipaddress.ip_address("10.3.0.7")]
    policy.check("crm.internal", [ipaddress.ip_address("192.168.0.4")], 8443, plain=False)
    policy.check("any.internal", here, 9999, plain=False)
    policy.check("10.3.0.7", there, 8080, plain=True)
    for host, addresses, port, plain in (
        ("crm.internal", [ipaddress.ip_address("192.168.0.4")], 443, False),
        ("any.internal", here, 9999, True),
        ("any.internal", [*here, *there], 443, False),
        ("10.3.0.7", there, 8081, True),
    ):
        with pytest.raises(EgressError):
            policy.check(host, addresses, port, plain=plain)

"""Fetching files by URL: the SSRF guard, redirects, rebinding, bounds (``spec/engineering.md`` 5.4)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from shoal.base.clock import SystemClock
from shoal.base.errors import ProxyError, TransportError
from shoal.base.proxy import parse_proxy
from shoal.discord.addresses import UrlRefused, check_address, check_url
from shoal.discord.errors import NotFound, TooLarge
from shoal.discord.fetch import Fetcher, Limits, Policy
from shoal.discord.origins import Origins
from shoal.discord.transport import Transport
from tests.discord.support.files import Memory, fetch
from tests.discord.support.net import PROXY_ADDRESS, SERVER_ADDRESS, TcpServer
from tests.discord.support.proxies import ProxyServer
from tests.discord.support.rest import Reply, RestServer
from tests.discord.support.urls import CDN_REFUSED, PUBLIC_ALLOWED, PUBLIC_REFUSED

Make = Callable[..., Any]
FAST = Limits(1_000_000, 2.0, 5.0)


class Guarded:
    """A fetcher whose names resolve as a test says, and whose connections are counted, never made."""

    def __init__(self, answers: dict[str, list[tuple[str, ...]]] | None = None, *, here: bool = True) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []
        self.dialled: list[tuple[str, tuple[str, ...] | None]] = []
        self.target: tuple[str, int] | None = None
        self.fetcher = Fetcher(
            "default",
            Origins(),
            self.open,
            here=lambda _host, _port: here,
            clock=SystemClock(),
            user_agent="test",
            resolver=self.resolve,
        )

    def resolve(self, host: str, _port: int) -> tuple[str, ...]:
        self.asked.append(host)
        left = self.answers.get(host) or [("93.184.216.34",)]
        return left.pop(0) if len(left) > 1 else left[0]

    def open(
        self, host: str, port: int, *, tls: bool, timeout: float, addresses: tuple[str, ...] | None
    ) -> socket.socket:
        del port, tls
        self.dialled.append((host, addresses))
        if self.target is None:
            raise TransportError("nobody there", leg="slow")
        return socket.create_connection(self.target, timeout)

    def get(self, url: str, policy: Policy = "public") -> bytes:
        sink = Memory()
        self.fetcher.fetch(url, sink, FAST, policy=policy)
        return bytes(sink.data)


@pytest.mark.parametrize(("policy", "urls"), [("public", PUBLIC_REFUSED), ("cdn", CDN_REFUSED)])
@pytest.mark.parametrize("here", [True, False], ids=["direct", "resolved at the proxy"])
def test_every_way_inside_is_refused_and_audited(policy: Policy, urls: tuple[str, ...], here: bool) -> None:
    assert len(set(PUBLIC_REFUSED)) + len(set(CDN_REFUSED)) >= 250
    guarded = Guarded(here=here)
    for url in urls:
        with capture_logs() as lines, pytest.raises(UrlRefused) as caught:
            guarded.get(url, policy)
        [line] = [line for line in lines if line["event"] == "audit"]
        assert (line["kind"], line["account"], line["policy"]) == ("url", "default", policy)
        assert line["reason"] == caught.value.reason
        assert line["reason"]
        assert "pass" not in line.get("host", "")
    assert guarded.dialled == []


@pytest.mark.parametrize(("url", "sent"), PUBLIC_ALLOWED)
def test_plain_public_addresses_pass_in_one_form(url: str, sent: str) -> None:
    assert check_url(url).url == sent


def test_fake_addresses_of_a_proxy_pass_for_discord_only() -> None:
    """198.18.0.0/15 is where VPNs and proxies take made-up addresses from (``spec/inbound.md`` 10 row 11)."""
    check_address("198.18.3.4", benchmark=True)
    with pytest.raises(UrlRefused, match="benchmark"):
        check_address("198.18.3.4")
    for address in ("10.0.0.1", "127.0.0.1", "198.20.0.1.", "::ffff:198.18.0.1"):
        with pytest.raises(UrlRefused):
            check_address(address, benchmark=True)
    guarded = Guarded({"cdn.discordapp.com": [("198.18.0.7",)], "example.org": [("198.18.0.7",)]})
    with pytest.raises(TransportError):
        guarded.get("https://cdn.discordapp.com/attachments/1/2/a.png", "cdn")
    assert guarded.dialled == [("cdn.discordapp.com", ("198.18.0.7",))]
    with pytest.raises(UrlRefused, match="benchmark"):
        guarded.get("https://example.org/a.png")


INSIDE = [
    "127.0.0.1", "10.0.0.5", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "::1", "fd00::1",
    "fe80::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "224.0.0.1", "198.18.0.1", "192.0.0.192",
    "168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_a_public_name_with_a_private_address_is_refused(address: str) -> None:
    """Also beside a public one: whichever the connection would have taken."""
    for found in ((address,), ("93.184.216.34", address), (address, "93.184.216.34")):
        guarded = Guarded({"evil.org": [found]})
        with capture_logs() as lines, pytest.raises(UrlRefused):
            guarded.get("https://evil.org/a.png")
        assert guarded.dialled == []
        assert [line["host"] for line in lines if line["event"] == "audit"] == ["evil.org"]


def test_a_name_that_changes_its_address_is_connected_where_it_was_judged() -> None:
    """DNS rebinding: one look-up per connection, and the connection goes to what was judged."""
    server = RestServer()
    server.usual = Reply(200, b"data", {"Connection": "close"})
    guarded = Guarded({"evil.org": [("93.184.216.34",), ("127.0.0.1",)]})
    guarded.target = (server.host, server.port)
    assert guarded.get("http://evil.org/a") == b"data"
    assert guarded.asked == ["evil.org"]
    assert guarded.dialled == [("evil.org", ("93.184.216.34",))]
    with pytest.raises(UrlRefused, match="loopback"):
        guarded.get("http://evil.org/a")
    assert len(guarded.dialled) == 1
    server.close()


def test_nothing_is_looked_up_here_where_the_proxy_does_it() -> None:
    guarded = Guarded(here=False)
    with pytest.raises(TransportError):
        guarded.get("https://example.org/a.png")
    assert guarded.asked == []
    assert guarded.dialled == [("example.org", None)]


REDIRECTS = [
    "http://127.0.0.1/", "http://169.254.169.254/latest/", "http://[::1]/", "http://localhost/",
    "//127.0.0.1/a", "http://2130706433/", "file:///etc/passwd", "gopher://evil.org/",
    "http://user@evil.org/", "http://evil.org:22/", "http://metadata.google.internal/",
    "http://10.0.0.1.nip.io/", "http://inside.evil.org/", "ftp://evil.org/a", "http://0x7f000001/",
    "http://[::ffff:10.0.0.1]/", "\\\\127.0.0.1\\a", "http://evil.org/\u200b",
]  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_redirect_is_judged_anew(status: int) -> None:
    server = RestServer()
    guarded = Guarded({"inside.evil.org": [("10.1.2.3",)]})
    guarded.target = (server.host, server.port)
    for where in REDIRECTS:
        server.replies.append(Reply(status, b"", {"Location": where.encode("utf-8").decode("latin-1")}))
        before = len(server.seen)
        with capture_logs() as lines, pytest.raises(UrlRefused):
            guarded.get("http://example.org/a")
        assert [line["event"] for line in lines].count("audit") == 1, where
        assert len(server.seen) == before + 1, where
    server.close()


def test_good_redirects_are_followed_but_not_for_ever(transport: Transport, rest_server: RestServer) -> None:
    origin = f"http://{rest_server.host}:{rest_server.port}"
    rest_server.replies.extend([Reply(302, b"", {"Location": "/cdn/b.png"}), Reply(200, b"here")])
    data, fetched = fetch(transport, f"{origin}/cdn/a.png")
    assert (data, fetched.url) == (b"here", f"{origin}/cdn/b.png")
    rest_server.usual = Reply(302, b"", {"Location": "/cdn/c.png"})
    with pytest.raises(UrlRefused, match="redirects"):
        fetch(transport, f"{origin}/cdn/a.png")
    rest_server.usual = Reply(302, b"", {"Location": "https://example.org/a.png"})
    with pytest.raises(UrlRefused, match="not-discord"):
        fetch(transport, f"{origin}/cdn/a.png")
    assert all("authorization" not in seen.headers for seen in rest_server.seen)


def test_https_never_becomes_http(tls_server: RestServer, make_transport: Make) -> None:
    transport = make_transport(api_url=tls_server.base)
    tls_server.usual = Reply(302, b"", {"Location": f"http://{tls_server.host}:{tls_server.port}/cdn/a"})
    with pytest.raises(UrlRefused, match="downgrade"):
        fetch(transport, f"https://{tls_server.host}:{tls_server.port}/cdn/a")


# -- bounds ----------------------------------------------------------------------------------------


def test_a_file_is_bounded_by_what_is_said_and_by_what_comes(
    rest_server: RestServer, transport: Transport
) -> None:
    url = f"http://{rest_server.host}:{rest_server.port}/cdn/a"
    rest_server.replies.append(Reply(200, b"x" * 11))
    with pytest.raises(TooLarge):
        fetch(transport, url, max_bytes=10)
    rest_server.replies.append(Reply(200, b"x" * 10))
    assert len(fetch(transport, url, max_bytes=10)[0]) == 10
    chunked = b"5\r\nhello\r\n" * 3 + b"0\r\n\r\n"
    rest_server.replies.append(Reply(200, chunked, {"Transfer-Encoding": "chunked", "Content-Length": ""}))
    with pytest.raises((TooLarge, TransportError)):
        fetch(transport, url, max_bytes=10)


def test_a_packed_body_is_counted_unpacked(rest_server: RestServer, transport: Transport) -> None:
    """A gzip bomb ends at the cap, however small it travels."""
    import gzip

    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 50_000
    rest_server.usual = Reply(200, bomb, {"Content-Encoding": "gzip"})
    with pytest.raises(TooLarge):
        fetch(transport, f"http://{rest_server.host}:{rest_server.port}/cdn/a", max_bytes=100_000)
    assert rest_server.seen[0].headers["accept-encoding"] == "identity"


class Dripping(TcpServer):
    """Sends a file byte by byte, for ever, or falls silent after the head."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.stop = threading.Event()
        super().__init__(SERVER_ADDRESS)

    def serve(self, sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.stop.wait(self.pause):
            sock.sendall(b"x")


@pytest.mark.parametrize("pause", [0.02, 60.0], ids=["drip", "silence"])
def test_slowness_ends_in_time(make_transport: Make, stack: ExitStack, pause: float) -> None:
    server = Dripping(pause)
    stack.callback(server.close)
    stack.callback(server.stop.set)
    transport = make_transport(api_url=f"http://{server.host}:{server.port}/api/v10")
    began = SystemClock().monotonic()
    with pytest.raises(TransportError) as caught:
        fetch(transport, f"http://{server.host}:{server.port}/cdn/a", idle_s=0.5, total_s=1.0)
    assert caught.value.leg == "slow"
    assert SystemClock().monotonic() - began < 4


def test_a_broken_transfer_is_begun_again_from_the_start(
    rest_server: RestServer, transport: Transport
) -> None:
    url = f"http://{rest_server.host}:{rest_server.port}/cdn/a"
    rest_server.replies.extend(
        [Reply(200, b"0123456789", fault="cut"), Reply(503), Reply(200, b"0123456789")]
    )
    sink = Memory()
    transport.files.fetch(url, sink, FAST, policy="cdn")
    assert (bytes(sink.data), sink.starts) == (b"0123456789", 3)
    rest_server.replies.append(Reply(404, b"This content is no longer available."))
    with pytest.raises(NotFound):
        transport.files.fetch(url, sink, FAST, policy="cdn")
    assert len(rest_server.seen) == 4


def test_what_the_caller_raises_ends_the_fetch(rest_server: RestServer, transport: Transport) -> None:
    rest_server.usual = Reply(200, b"x" * 300_000)

    def enough() -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        transport.files.fetch(
            f"http://{rest_server.host}:{rest_server.port}/cdn/a", Memory(), FAST, policy="cdn", check=enough
        )
    assert len(rest_server.seen) == 1


# -- through the proxy -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "https", "socks5h", "socks5"])
def test_a_file_comes_through_the_proxy_only(
    kind: str, rest_server: RestServer, make_proxy: Make, make_transport: Make
) -> None:
    server: ProxyServer = make_proxy(kind)
    transport = make_transport(proxy=parse_proxy(server.url()), api_url=rest_server.base)
    rest_server.usual = Reply(200, b"file")
    assert fetch(transport, f"http://{rest_server.host}:{rest_server.port}/cdn/a")[0] == b"file"
    assert {seen.source for seen in rest_server.seen} == {PROXY_ADDRESS}
    server.close()
    rest_server.seen.clear()
    transport.files.close()
    with pytest.raises(ProxyError):
        fetch(transport, f"http://{rest_server.host}:{rest_server.port}/cdn/b")
    assert rest_server.seen == []


def test_names_are_left_to_the_proxy(make_proxy: Make, make_transport: Make) -> None:
    """A public name goes to the proxy as it is; what leads inside does not even get that far."""
    server: ProxyServer = make_proxy("http")
    transport = make_transport(proxy=parse_proxy(server.url()))
    with pytest.raises(TransportError):
        fetch(transport, "http://files.nowhere.de/a", policy="public")
    assert server.targets
    assert set(server.targets) == {"files.nowhere.de:80"}
    before = len(server.targets)
    for url in (
        "http://127.0.0.1/",
        "http://localhost/",
        "http://metadata.google.internal/",
        "http://a.nip.io/",
    ):
        with pytest.raises(UrlRefused):
            fetch(transport, url, policy="public")
    assert len(server.targets) == before


# -- a name server of our own -------------------------------------------------------------------------


class Nameserver(threading.Thread):
    """A real DNS server over UDP that answers each question of a name with the next address."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(daemon=True)
        self.answers = answers
        self.asked = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.start()

    def run(self) -> None:
        while True:
            try:
                question, peer = self.sock.recvfrom(512)
            except OSError:
                return
            address = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            head = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0)
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
            self.sock.sendto(head + question[12:] + answer, peer)

    def lookup(self, host: str, _port: int) -> tuple[str, ...]:
        """What a resolver without a cache makes of one question."""
        name = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".")) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
            ask.settimeout(5)
            query = b"\x12\x34\x01\x00" + struct.pack(">HHHH", 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
            ask.sendto(query, self.sock.getsockname())
            return (socket.inet_ntoa(ask.recv(512)[-4:]),)


@pytest.fixture
def rebinding() -> Iterator[Nameserver]:
    """Public at first, ourselves ever after."""
    server = Nameserver(["93.184.216.34", "127.0.0.1"])
    yield server
    server.sock.close()


def test_a_rebinding_name_server_gets_one_question_and_no_second_chance(rebinding: Nameserver) -> None:
    """A naive guard (judge, then let the HTTP library resolve again) would connect to 127.0.0.1 here."""
    dialled: list[tuple[str, ...] | None] = []

    def opener(
        host: str, port: int, *, tls: bool, timeout: float, addresses: tuple[str, ...] | None
    ) -> socket.socket:
        del host, port, tls, timeout
        dialled.append(addresses)
        raise TransportError("not in a test", leg="slow")

    fetcher = Fetcher("default", Origins(), opener, here=lambda _h, _p: True, clock=SystemClock(),
                      user_agent="test", resolver=rebinding.lookup)  # fmt: skip
    with pytest.raises(TransportError):
        fetcher.fetch("http://rebind.evil.org/", Memory(), Limits(10, 1, 1), policy="public")
    assert dialled[0] == ("93.184.216.34",)
    with capture_logs() as lines, pytest.raises(UrlRefused, match="loopback"):
        fetcher.fetch("http://rebind.evil.org/", Memory(), FAST, policy="public")
    assert [line["reason"] for line in lines if line["event"] == "audit"] == ["loopback"]
    assert all(addresses == ("93.184.216.34",) for addresses in dialled)


@pytest.fixture
def transport(rest_server: RestServer, make_transport: Make) -> Transport:
    """To the plain server."""
    made: Transport = make_transport(api_url=rest_server.base)
    return made

"""Everything goes through the proxy or not at all; every failure says which leg and what to do."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal.base.errors import ConfigError, ProxyError, TransportError
from shoal.base.proxy import Proxy, parse_proxy
from shoal.discord.proxy import dial, tls_context
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from tests.discord.support.files import fetch
from tests.discord.support.net import AUTHORITY, PROXY_ADDRESS, free_port
from tests.discord.support.proxies import ProxyServer
from tests.discord.support.rest import Reply, RestServer

ME = Route("GET", "/users/@me")
USER, PASSWORD = "user@corp", "p@ss:w/ö%41"
ENCODED = ("user%40corp", "p%40ss%3Aw%2F%C3%B6%2541")

MakeProxy = Callable[..., ProxyServer]
MakeTransport = Callable[..., Transport]


@pytest.fixture(autouse=True)
def misleading_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that has ever led a client astray; none of it may matter here."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{PROXY_ADDRESS}:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*,127.0.0.3,.discord.test,localhost")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "/nonexistent")


@pytest.mark.parametrize("auth", [False, True], ids=["open", "auth"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5h", "socks5", "socks"])
def test_every_scheme_carries_rest_over_tls_with_names_resolved_at_the_proxy(
    kind: str, auth: bool, tls_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    credentials = {"user": USER, "password": PASSWORD} if auth else {}
    server = make_proxy(kind, **credentials)
    url = server.url(user=ENCODED[0], password=ENCODED[1]) if auth else server.url()
    transport = make_transport(proxy=parse_proxy(url), api_url=tls_server.named_base)
    tls_server.replies.append(Reply.of(200, {"id": "1"}))

    for _ in range(2):
        assert transport.request(ME).status == 200

    assert {seen.source for seen in tls_server.seen} == {PROXY_ADDRESS}
    assert server.targets == [f"api.discord.test:{tls_server.port}"]  # one tunnel, kept alive, by name


@pytest.mark.parametrize("kind", ["http", "https", "socks5h"])
def test_websocket_sockets_take_the_same_way(
    kind: str, tls_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    server = make_proxy(kind, user="u", password="p")
    transport = make_transport(proxy=parse_proxy(server.url(user="u", password="p")))
    with transport.open_socket("gateway.discord.test", tls_server.port, timeout=5) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        assert sock.gettimeout() == 5
    assert server.targets == [f"gateway.discord.test:{tls_server.port}"]
    assert tls_server.sources == [PROXY_ADDRESS]


def test_a_plain_server_is_reached_through_connect_too(
    rest_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    transport = make_transport(proxy=parse_proxy(make_proxy("http").url()), api_url=rest_server.base)
    assert transport.request(ME).status == 200
    assert rest_server.sources == [PROXY_ADDRESS]


def test_large_bodies_pass_tls_in_tls_both_ways(
    tls_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    transport = make_transport(proxy=parse_proxy(make_proxy("https").url()), api_url=tls_server.named_base)
    text = "x" * 6_000_000
    tls_server.handler = lambda seen: Reply.of(200, seen.json())
    answer = transport.request(Route("POST", "/users/@me/channels"), json={"text": text})
    assert answer.data == {"text": text}


@pytest.mark.parametrize(
    ("kind", "options", "leg", "words"),
    [
        ("http", {"user": "u", "password": "p"}, "proxy-auth", "407"),
        ("https", {"user": "u", "password": "p"}, "proxy-auth", "407"),
        ("socks5h", {"user": "u", "password": "p"}, "proxy-auth", "user name and password"),
        ("http", {"refuse": 403}, "proxy-refused", "403"),
        ("socks5h", {"refuse": 2}, "proxy-refused", "not allowed by ruleset"),
        ("socks5h", {"refuse": 5}, "proxy-refused", "Connection refused"),
        ("http", {"silent": True}, "proxy-connect-timeout", "in time"),
        ("socks5h", {"silent": True}, "proxy-connect-timeout", "in time"),
    ],
)
@pytest.mark.parametrize("given", ["none", "wrong"])
def test_a_proxy_that_refuses_says_why_and_nothing_goes_direct(
    kind: str,
    options: dict[str, object],
    leg: str,
    words: str,
    given: str,
    tls_server: RestServer,
    make_proxy: MakeProxy,
) -> None:
    server = make_proxy(kind, **options)
    url = server.url() if given == "none" else server.url(user="u", password="s3cretpass")
    with pytest.raises(ProxyError) as caught:
        dial(
            "api.discord.test",
            tls_server.port,
            parse_proxy(url, source="config:channels.discord.proxy"),
            tls=tls_context(AUTHORITY),
            timeout=1.0,
        )
    assert caught.value.leg == leg
    assert words in str(caught.value)
    assert "channels.discord.proxy" in str(caught.value)
    assert "s3cretpass" not in str(caught.value)
    assert caught.value.retryable
    assert not caught.value.ambiguous
    assert tls_server.sources == []


@pytest.mark.waits
def test_a_dead_proxy_means_no_traffic(tls_server: RestServer, make_transport: MakeTransport) -> None:
    for scheme in ("http", "https", "socks5h"):
        proxy = parse_proxy(f"{scheme}://{PROXY_ADDRESS}:{free_port()}", source="env:HTTPS_PROXY")
        transport = make_transport(proxy=proxy, api_url=tls_server.base)
        with pytest.raises(ProxyError, match="ECONNREFUSED") as caught:
            transport.request(ME)
        assert caught.value.leg == "proxy-connect"
        assert "host.docker.internal" in caught.value.fix
        assert "HTTPS_PROXY" in caught.value.fix
        with pytest.raises(ProxyError):
            transport.open_socket("127.0.0.3", tls_server.port)
        with pytest.raises(ProxyError):
            fetch(transport, f"https://127.0.0.3:{tls_server.port}/a.png")
    assert tls_server.sources == []


def test_a_proxy_that_dies_between_requests_means_no_traffic(
    tls_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    server = make_proxy("http")
    transport = make_transport(proxy=parse_proxy(server.url()), api_url=tls_server.base)
    assert transport.request(ME).status == 200
    server.close()
    with pytest.raises(TransportError):
        transport.request(ME)
    assert set(tls_server.sources) == {PROXY_ADDRESS}


@pytest.mark.waits
def test_the_wrong_scheme_is_told(make_proxy: MakeProxy) -> None:
    socks, http = make_proxy("socks5h"), make_proxy("http")
    for url, words in [
        (f"http://{socks.host}:{socks.port}", "SOCKS"),
        (f"socks5h://{http.host}:{http.port}", "HTTP"),
        (f"https://{http.host}:{http.port}", "http"),
    ]:
        with pytest.raises(ProxyError, match=words):
            dial("api.discord.test", 443, parse_proxy(url), timeout=2)


def test_a_name_the_proxy_does_not_know(make_proxy: MakeProxy) -> None:
    for kind in ("http", "socks5h"):
        with pytest.raises(ProxyError) as caught:
            dial("unknown.invalid", 443, parse_proxy(make_proxy(kind).url()), timeout=2)
        assert caught.value.leg == "proxy-refused"


def test_an_unknown_proxy_host_is_a_dns_failure_of_the_proxy() -> None:
    with pytest.raises(ProxyError, match="ENOTFOUND") as caught:
        dial("discord.com", 443, parse_proxy("http://proxy.invalid:1"), timeout=5)
    assert caught.value.leg == "proxy-dns"


def test_tls_is_verified_on_both_legs(tls_server: RestServer, make_proxy: MakeProxy) -> None:
    http, https = parse_proxy(make_proxy("http").url()), parse_proxy(make_proxy("https").url())
    for proxy, context, leg in [
        (http, tls_context(), "tls"),
        (https, tls_context(), "proxy-tls"),
        (None, tls_context(), "tls"),
    ]:
        host = "api.discord.test" if proxy else tls_server.host
        with pytest.raises(TransportError, match="certificate verify failed") as caught:
            dial(host, tls_server.port, proxy, tls=context, timeout=5)
        assert caught.value.leg == leg
        assert "proxyCaFile" in caught.value.fix
    with pytest.raises(TransportError, match="certificate verify failed"):  # right authority, wrong name
        dial("a.b.discord.test", tls_server.port, _Everywhere(http), tls=tls_context(AUTHORITY), timeout=5)


class _Everywhere:
    """A proxy seen through a look-alike: what dialling reads is the protocol, not the class."""

    def __init__(self, proxy: Proxy) -> None:
        self.scheme, self.host, self.port = proxy.scheme, proxy.host, proxy.port
        self.username, self.password = proxy.username, proxy.password
        self.source, self.no_proxy = proxy.source, proxy.no_proxy

    def masked(self) -> str:
        return "look-alike"


def test_socks5_resolves_here_only_where_asked(
    tls_server: RestServer, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def spy(host: str, *rest: object, **named: object) -> object:
        asked.append(host)
        return real("127.0.0.3" if host.endswith("discord.test") else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", spy)
    server = make_proxy("socks5")
    for dns, target in (("proxy", "api.discord.test"), ("local", "127.0.0.3")):
        asked.clear()
        proxy = parse_proxy(server.url(), dns=dns)
        dial("api.discord.test", tls_server.port, proxy, tls=tls_context(AUTHORITY), timeout=5).close()
        assert server.targets[-1] == f"{target}:{tls_server.port}"
        assert ("api.discord.test" in asked) == (dns == "local")


def test_no_proxy_counts_only_where_the_proxy_brought_it(
    tls_server: RestServer, make_proxy: MakeProxy, make_transport: MakeTransport
) -> None:
    server = make_proxy("http")
    exempting = parse_proxy(server.url(), source="env:HTTPS_PROXY", no_proxy=("127.0.0.0/8",))
    transport = make_transport(proxy=exempting, api_url=tls_server.base)
    assert transport.request(ME).status == 200
    assert not transport.proxied
    assert server.targets == []
    transport = make_transport(proxy=parse_proxy(server.url()), api_url=tls_server.base)
    assert transport.request(ME).status == 200
    assert transport.proxied
    assert transport.proxy_label == f"http://{PROXY_ADDRESS}:{server.port}/"


def test_no_proxy_may_exempt_one_leg_and_not_the_other(make_transport: MakeTransport) -> None:
    proxy = Proxy("http", "p", 1, source="env:HTTPS_PROXY", no_proxy=("discord.gg",))
    transport = make_transport(proxy=proxy)
    assert (transport.proxy_label, transport.gateway_label) == ("http://p:1/", "")
    transport = make_transport(proxy=Proxy("http", "p", 1, no_proxy=("discord.com",)))
    assert (transport.proxy_label, transport.gateway_label) == ("", "http://p:1/")


def test_authorities_are_read_once_and_again_when_their_file_changes(tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(AUTHORITY.read_bytes())
    context = tls_context(bundle)
    assert tls_context(bundle) is context
    assert tls_context() is tls_context()
    assert tls_context() not in (context, tls_context(of_machine=True))
    bundle.write_text("no certificate")
    with pytest.raises(ConfigError, match="proxyCaFile"):
        tls_context(bundle)
    bundle.unlink()
    with pytest.raises(ConfigError, match="proxyCaFile"):
        tls_context(bundle)

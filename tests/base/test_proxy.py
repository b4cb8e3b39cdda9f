"""Reading a proxy URL: decoded once, any host, and every mistake says what to do."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.base.errors import ConfigError
from shoal.base.proxy import Proxy, parse_no_proxy, parse_proxy
from shoal.base.redact import redactor


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("http://127.0.0.1:7890/", "http", "127.0.0.1", 7890),
        ("http://proxy.corp.example", "http", "proxy.corp.example", 80),
        ("HTTPS://Proxy.Example", "https", "proxy.example", 443),
        ("socks5h://[2001:db8::1]:9", "socks5h", "2001:db8::1", 9),
        ("socks5://127.0.0.1", "socks5h", "127.0.0.1", 1080),
        ("socks://127.0.0.1:1080", "socks5h", "127.0.0.1", 1080),
        ("  http://host.docker.internal:7890  ", "http", "host.docker.internal", 7890),
    ],
)
def test_good_urls(url: str, scheme: str, host: str, port: int) -> None:
    proxy = parse_proxy(url)
    assert (proxy.scheme, proxy.host, proxy.port) == (scheme, host, port)
    assert proxy.username is None
    assert parse_proxy(proxy.masked()) == proxy


def test_socks5_resolves_here_only_where_asked() -> None:
    assert parse_proxy("socks5://h", dns="local").scheme == "socks5"
    assert parse_proxy("socks5h://h", dns="local").scheme == "socks5h"


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_credentials_are_decoded_exactly_once(user: str, password: str) -> None:
    url = f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy.example:1"
    proxy = parse_proxy(url)
    assert proxy.username == user
    assert proxy.password is not None
    assert proxy.password.get_secret_value() == password
    assert proxy.masked() == "http://proxy.example:1/"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:7890", "no scheme"),
        ("user:topsecret@127.0.0.1:7890", "no scheme"),
        ("ftp://h:1", "scheme 'ftp'"),
        ("socks4://h:1", "scheme 'socks4'"),
        ("http://", "no host"),
        ("http://:80", "no host"),
        ("http://h:0", "no usable port"),
        ("http://h:70000", "no usable port"),
        ("http://h:port", "no usable port"),
        ("http://h:1/path", "after the host"),
        ("http://h:1?x", "after the host"),
        ("http://[::1", "cannot be read"),
        ("http://u:topsecret@x@h:1", "cannot be read"),
        ("http://u:topsecret/x@h:1", "%40"),
        ("http://u:topsecret#x@h:1", "%40"),
        ("", "no scheme"),
    ],
)
def test_bad_urls_name_place_value_and_fix_but_no_secret(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_proxy(url, source="config:channels.discord.accounts.work.proxy")
    text = str(caught.value)
    assert words in text
    assert "channels.discord.accounts.work.proxy" in text
    assert "topsecret" not in text
    assert caught.value.fix


def test_a_password_never_shows_and_is_masked_from_then_on() -> None:
    proxy = parse_proxy("http://u:pass%40word99@h:1", source="env:HTTPS_PROXY")
    assert "word99" not in repr(proxy)
    assert redactor.mask("x pass@word99 pass%40word99") == "x *** ***"


@pytest.mark.parametrize(
    ("entries", "host", "port", "exempt"),
    [
        ("*", "discord.com", 443, True),
        ("", "discord.com", 443, False),
        ("discord.com", "discord.com", 443, True),
        ("discord.com", "gateway.discord.com", 443, True),
        (".discord.com", "discord.com", 443, True),
        ("*.discord.com", "x.discord.com", 443, True),
        ("discord.com", "evildiscord.com", 443, False),
        ("discord.com:80", "discord.com", 443, False),
        ("discord.com:443", "discord.com", 443, True),
        ("10.0.0.0/8, 127.0.0.1", "10.1.2.3", 1, True),
        ("10.0.0.0/8 127.0.0.1", "127.0.0.1", 1, True),
        ("10.0.0.0/8", "11.1.2.3", 1, False),
        ("[::1]", "::1", 1, True),
        ("fd00::/8", "fd00::1", 1, True),
        ("localhost", "127.0.0.1", 1, False),
        ("10.0.0.1", "ten.example", 1, False),
        ("DISCORD.COM", "Discord.Com", 443, True),
        ("*.", "discord.com", 443, False),
    ],
)
def test_no_proxy(entries: str, host: str, port: int, exempt: bool) -> None:
    proxy = Proxy("http", "h", 1, no_proxy=parse_no_proxy(entries))
    assert proxy.exempts(host, port) is exempt

"""Which proxy is in force, and that a bad one is never "no proxy"."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.proxy import ENVIRONMENT_ORDER
from tests.config.conftest import TOKEN, LoadIssues, LoadText
from tests.config.wrong_files import discord

OWN, CHANNEL, ENV = (
    "http://own:1",
    "http://channel:2",
    {"HTTPS_PROXY": "http://env:3", "NO_PROXY": "a.example, .b"},
)


@pytest.mark.parametrize(
    ("own", "channel", "env", "host", "source", "no_proxy"),
    [
        (OWN, CHANNEL, ENV, "own", "config:channels.discord.accounts.x.proxy", ()),
        (None, CHANNEL, ENV, "channel", "config:channels.discord.proxy", ()),
        (None, None, ENV, "env", "env:HTTPS_PROXY", ("a.example", ".b")),
        ("", CHANNEL, ENV, "env", "env:HTTPS_PROXY", ("a.example", ".b")),
        (None, None, {"no_proxy": "*"}, None, None, None),
        (None, None, {"HTTPS_PROXY": " ", "all_proxy": "socks://s"}, "s", "env:all_proxy", ()),
        (None, None, {"http_proxy": "bare:8080"}, "bare", "env:http_proxy", ()),
    ],
)
def test_order(
    load_text: LoadText,
    own: str | None,
    channel: str | None,
    env: dict[str, str],
    host: str | None,
    source: str,
    no_proxy: tuple[str, ...],
) -> None:
    def written(url: str | None) -> str:
        return "" if url is None else f'proxy: "{url}",'

    text = discord(f'{written(channel)} accounts: {{ x: {{ token: "{TOKEN}", {written(own)} }} }}')
    proxy = load_text(text, env).account("x").proxy
    if host is None:
        assert proxy is None
    else:
        assert proxy is not None
        assert (proxy.host, proxy.source, proxy.no_proxy) == (host, source, no_proxy)


def test_environment_order(load_text: LoadText) -> None:
    env = {
        name: f"http://{name.lower().replace('_', '-')}-{index}:1"
        for index, name in enumerate(ENVIRONMENT_ORDER)
    }
    for name in ENVIRONMENT_ORDER:
        proxy = load_text("{}", {"DISCORD_BOT_TOKEN": TOKEN, **env}).account("default").proxy
        assert proxy is not None
        assert proxy.source == f"env:{name}"
        del env[name]


@pytest.mark.parametrize(
    ("url", "dns", "scheme", "port"),
    [
        ("http://h", "", "http", 80),
        ("https://h", "", "https", 443),
        ("socks5h://h", "", "socks5h", 1080),
        ("socks://h:9", "", "socks5h", 9),
        ("socks5://h", "", "socks5h", 1080),
        ("socks5://h", 'proxyDns: "local",', "socks5", 1080),
    ],
)
def test_schemes(load_text: LoadText, url: str, dns: str, scheme: str, port: int) -> None:
    proxy = load_text(discord(f'token: "{TOKEN}", {dns} proxy: "{url}"')).account("default").proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.port) == (scheme, port)


def test_credentials_are_decoded_once_and_hidden(load_text: LoadText) -> None:
    loaded = load_text(discord(f'token: "{TOKEN}", proxy: "http://us%40er:p%2525ss-word@h:1"'))
    proxy = loaded.account("default").proxy
    assert proxy is not None
    assert proxy.username == "us@er"
    assert proxy.password is not None
    assert proxy.password.get_secret_value() == "p%25ss-word"
    assert "ss-word" not in repr(loaded)
    assert proxy.masked() == "http://h:1/"


@pytest.mark.parametrize(
    "env",
    [
        {"HTTPS_PROXY": "ftp://x"},
        {"ALL_PROXY": "http://"},
        {"HTTPS_PROXY": "ftp://x", "HTTP_PROXY": "http://ok"},
    ],
)
def test_bad_proxy_of_the_environment_is_an_error(issues_of: LoadIssues, env: dict[str, str]) -> None:
    (issue,) = issues_of("{}", {"DISCORD_BOT_TOKEN": TOKEN, **env})
    assert issue.path == "environment"


def test_bad_environment_does_not_matter_where_the_file_says(load_text: LoadText) -> None:
    text = discord(f'token: "{TOKEN}", proxy: "http://good:1"')
    proxy = load_text(text, {"HTTPS_PROXY": "ftp://x"}).account("default").proxy
    assert proxy is not None
    assert proxy.host == "good"


def test_bad_proxy_of_an_account_without_token_is_an_error_too(issues_of: LoadIssues) -> None:
    (issue,) = issues_of(discord('accounts: { a: { proxy: "nope" } }'))
    assert issue.path == "channels.discord.accounts.a.proxy"


def test_disabled_account_may_have_a_bad_proxy(load_text: LoadText) -> None:
    assert load_text(discord('accounts: { a: { enabled: false, proxy: "nope" } }')).account_ids() == []


def test_ca_file_starts_at_the_config(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    loaded = load_text(discord(f'token: "{TOKEN}", proxyCaFile: "ca.pem"'))
    assert loaded.account("default").proxy_ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("proxy", "voice", "warns"),
    [
        ("http://h:1", "{}", True),
        ("http://h:1", '{ proxy: "direct" }', False),
        ("socks5h://h:1", "{}", False),
        ("http://h:1", "{ enabled: false }", False),
    ],
)
def test_voice_beside_an_http_proxy(load_text: LoadText, proxy: str, voice: str, warns: bool) -> None:
    loaded = load_text(discord(f'token: "{TOKEN}", proxy: "{proxy}", voice: {voice}'))
    assert any("UDP" in issue.message for issue in loaded.warnings) is warns

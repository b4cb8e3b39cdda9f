"""The egress guard in processes of its own (an audit hook cannot be taken back)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shoal.discord.egress import EgressGuard
from tests.discord.support.net import SERVER_ADDRESS
from tests.discord.support.proxies import ProxyServer
from tests.discord.support.rest import RestServer

HEAD = """
import socket, sys, threading, json
from pathlib import Path
from shoal.base.proxy import parse_proxy
from shoal.discord.egress import EgressGuard, EgressRefused, install_guard

def refused(call, *args, **named):
    try:
        call(*args, **named)
    except EgressRefused:
        return True
    except Exception as error:  # another library's way of wrapping it
        seen = error
        while seen is not None:
            if isinstance(seen, EgressRefused):
                return True
            seen = seen.__cause__ or seen.__context__
        return repr(error)
    return False
"""


def run(body: str, **values: Any) -> Any:
    """Run ``HEAD`` and ``body`` in a fresh interpreter; its last line of output is JSON."""
    given = f"given = json.loads({json.dumps(json.dumps(values))})\n"
    result = subprocess.run(
        [sys.executable, "-c", HEAD + given + body], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.strip().splitlines()[-1])


def test_nothing_goes_around_the_proxy_whatever_library_asks(
    make_proxy: Any, rest_server: RestServer, tmp_path: Path
) -> None:
    proxy: ProxyServer = make_proxy("http")
    record = tmp_path / "egress.jsonl"
    body = """
import requests, httpx2, urllib.request, tornado, asyncio, http.client
guard = install_guard([parse_proxy(given["proxy"])], record=Path(given["record"]))
guard._loopback = False  # the test's servers are all on loopback
host, port = given["host"], given["port"]
url = f"http://{host}:{port}/"
async def over_asyncio():
    await asyncio.wait_for(asyncio.open_connection(host, port), 5)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
results = {
    "connect": refused(socket.create_connection, (host, port)),
    "connect_ex": refused(lambda: socket.socket().connect_ex((host, port))),
    "requests": refused(requests.get, url),
    "urllib": refused(urllib.request.urlopen, url),
    "httpx": refused(httpx2.get, url),
    "asyncio": refused(asyncio.run, over_asyncio()),
    "udp": refused(udp.sendto, b"x", (host, 53)),
    "sendmsg": refused(udp.sendmsg, [b"x"], [], 0, (host, 53)),
    "dns": refused(socket.getaddrinfo, "discord.com", 443),
    "dns2": refused(socket.gethostbyname, "discord.com"),
    "ptr": refused(socket.getnameinfo, ("8.8.8.8", 53), 0),
}
errors = []
def in_thread():
    errors.append(refused(socket.create_connection, (host, port)))
thread = threading.Thread(target=in_thread); thread.start(); thread.join()
results["thread"] = errors[0]
results["count"] = guard.count
print(json.dumps(results))
"""
    results = run(body, proxy=proxy.url(), record=str(record), host=rest_server.host, port=rest_server.port)
    count = results.pop("count")
    assert results == dict.fromkeys(results, True)
    assert rest_server.sources == []
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(lines) == count >= 10
    assert {"connect", "sendto", "sendmsg", "getaddrinfo"} <= {line["what"] for line in lines}


def test_the_transport_works_under_the_guard_and_its_proxy_is_all_it_reaches(
    make_proxy: Any, tls_server: RestServer
) -> None:
    proxy: ProxyServer = make_proxy("socks5h")
    body = """
from pydantic import SecretStr
from shoal.discord.limiter import Unlimited
from shoal.discord.transport import Transport
from shoal.discord.routes import Route
proxy = parse_proxy(given["proxy"])
guard = install_guard([proxy])
guard._loopback = False
options = {"api_url": given["base"], "ca_file": given["ca"]}
transport = Transport("a", SecretStr("x"), limiter=Unlimited(), proxy=proxy, **options)
status = transport.request(Route("GET", "/users/@me")).status
print(json.dumps([status, guard.count]))
"""
    from tests.discord.support.net import AUTHORITY

    assert run(body, proxy=proxy.url(), base=tls_server.named_base, ca=str(AUTHORITY)) == [200, 0]
    assert set(tls_server.sources) == {"127.0.0.2"}


def test_redis_loopback_and_unix_sockets_pass(tmp_path: Path, rest_server: RestServer) -> None:
    body = """
server = socket.create_server(("127.0.0.1", 0))
path = given["path"]
unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
guard = install_guard([parse_proxy("http://203.0.113.9:7890")], [(given["host"], given["port"])])
socket.create_connection(server.getsockname()[:2]).close()
socket.create_connection(("localhost", server.getsockname()[1])).close()
socket.socket(socket.AF_UNIX).connect(path)
guard._loopback = False
socket.create_connection((given["host"], given["port"])).close()
socket.getfqdn()
print(json.dumps([refused(socket.create_connection, (given["host"], given["port"] + 1)), guard.count]))
"""
    results = run(body, path=str(tmp_path / "s"), host=SERVER_ADDRESS, port=rest_server.port)
    assert results == [True, 1]


def test_allowed_names_allow_their_addresses_and_no_proxy_counts(rest_server: RestServer) -> None:
    body = """
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: (
    sys.audit("socket.getaddrinfo", host, rest[0] if rest else None, 0, 0, 0)
    or real("127.0.0.3" if host.endswith("redis.test") else host, *rest, **named)
)
guard = install_guard([parse_proxy("http://203.0.113.9:1", no_proxy=("127.0.0.4", ".corp.test"))])
guard._loopback = False
before = refused(socket.create_connection, ("my.redis.test", given["port"]))
guard.allow("my.redis.test", given["port"])
socket.create_connection(("my.redis.test", given["port"])).close()
other_port = refused(socket.create_connection, ("my.redis.test", given["port"] + 1))
print(json.dumps([before, other_port, guard.permits("127.0.0.4", 9), guard.permits("a.corp.test", 9),
                  guard.permits("b.test", 9), guard.permits("::ffff:127.0.0.4", 1)]))
"""
    assert run(body, port=rest_server.port) == [True, True, True, True, False, True]
    assert len(rest_server.sources) == 1


def test_one_guard_for_a_process_and_none_beside_a_direct_account() -> None:
    body = """
from shoal.base.errors import ProcessError
one = parse_proxy("http://203.0.113.9:1")
results = [install_guard([one, None]) is None, install_guard([]) is None]
guard = install_guard([one])
results += [install_guard([parse_proxy("http://203.0.113.8:2")]) is guard]
results += [guard.permits("203.0.113.8", 2), guard.permits("203.0.113.9", 1), guard.permits("203.0.113.9", 2)]
try:
    EgressGuard().install()
except ProcessError:
    results.append(True)
print(json.dumps(results))
"""
    assert run(body) == [True] * 5 + [False, True]


def test_judging_needs_no_hook() -> None:
    guard = EgressGuard()
    guard.allow("[2001:DB8::1]", 443)
    assert guard.permits("2001:db8::1", 443)
    assert guard.permits("127.9.9.9", 1)
    assert guard.permits("localhost", 1)
    assert not guard.permits("2001:db8::2", 443)
    assert not guard.permits("0.0.0.0", 1)
    with pytest.raises(ValueError, match="port"):
        guard.allow("h", -1)

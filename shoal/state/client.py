"""The Redis client: explicit retries, time-outs, and errors of our own tree.

redis-py retries ten times by default and sends scripts again behind our back (R4). Here
it is three times, with at most a second of waiting in all, and every script of ours may
arrive twice. What remains is raised as StoreUnavailable, in single calls and pipelines.
"""

from __future__ import annotations

from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shoal.base.errors import StoreUnavailable, StoreUnsuitable
from shoal.base.net import is_loopback
from shoal.base.redact import mask_url

__all__ = ["CONNECT_TIMEOUT_S", "SOCKET_TIMEOUT_S", "Client", "connect", "is_local", "map_error"]

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 3.0
"""A socket silent for so long is given up; the next attempt dials anew. Longer than a slow fsync (R2)."""
_LOST = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
_REFUSED = (redis.exceptions.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError)
_UNFIT = (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError)
_UNFIT_CODES = ("OOM", "READONLY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "BUSY", "LOADING", "TRYAGAIN")


def map_error(error: Exception) -> Exception:
    """The error of ours for one of redis-py's; an error that is about the call itself stays as it is."""
    if isinstance(error, _REFUSED) or str(error).startswith(("NOAUTH", "WRONGPASS")):
        return StoreUnsuitable(
            "Redis refused the password.", fix="Put the right one into SHOAL_REDIS_URL or the password file."
        )
    if isinstance(error, _LOST):
        why = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        return StoreUnavailable(f"Redis did not answer ({why}).")
    if isinstance(error, _UNFIT) or str(error).partition(" ")[0] in _UNFIT_CODES:
        return StoreUnavailable(
            f"Redis takes no writes now: {str(error)[:200]}",
            fix="See its memory, its disk and its replicas.",
        )
    return error


def _raise(error: Exception) -> NoReturn:
    mapped = map_error(error)
    if mapped is error:
        raise error
    raise mapped from error


class _Pipeline(redis.client.Pipeline):
    def execute(self, raise_on_error: bool = True) -> Any:
        try:
            return super().execute(raise_on_error)
        except (*_LOST, redis.exceptions.ResponseError) as error:
            _raise(error)


class Client(redis.Redis):
    """``redis.Redis`` that raises StoreUnavailable instead of connection and time-out errors."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (*_LOST, redis.exceptions.ResponseError) as error:
            _raise(error)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        """A pipeline with the same mapping of errors."""
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def _options(client_name: str, password: str | None, timeout_s: float, ca_file: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "client_name": client_name,
        "decode_responses": False,
        "protocol": 2,
        "socket_timeout": timeout_s,
        "health_check_interval": 15,
        # 0.1 + 0.2 + 0.4 s: three more attempts within a second
        "retry": Retry(ExponentialBackoff(cap=0.4, base=0.1), 3),
        "retry_on_error": [redis.exceptions.BusyLoadingError],
        "max_connections": 256,
    }
    if password:
        options["password"] = password
    if ca_file:
        options["ssl_ca_certs"] = ca_file
    return options


def connect(
    url: str,
    *,
    password: str | None,
    client_name: str,
    timeout_s: float = SOCKET_TIMEOUT_S,
    ca_file: str | None = None,
) -> Client:
    """A client for ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://`` URLs. Opens no connection yet.

    ``ca_file`` is a PEM bundle of the authorities that signed the server's certificate, where TLS is spoken.
    ``sentinel://[user:password@]host:26379,host:26379/<db>?service=<name>[&tls=1][&sentinel_password=…]``

    Raises:
        StoreUnsuitable: the URL is no such URL.
    """
    scheme = urlsplit(url).scheme
    tls = scheme == "rediss" or _sentinel_tls(url)
    options = _options(client_name, password, timeout_s, ca_file if tls else None)
    if scheme in ("redis", "rediss"):
        options.update(socket_connect_timeout=CONNECT_TIMEOUT_S, socket_keepalive=True)
        return _from_url(url, options)
    if scheme == "unix":
        return _from_url(url, options)
    if scheme == "sentinel":
        return _sentinel(url, options)
    raise StoreUnsuitable(
        f"{mask_url(url)!r} is no Redis URL.", fix="Use redis://, rediss://, unix:// or sentinel://."
    )


def _from_url(url: str, options: dict[str, Any]) -> Client:
    try:
        pool = redis.ConnectionPool.from_url(url, **options)
    except ValueError:
        # the reason would quote the URL: a slash in a password makes a part of it a "port"
        raise StoreUnsuitable(
            f"{mask_url(url).partition('://')[0]}:// is followed by no Redis address.",
            fix="Write redis://:password@host:6379/0, and in the password %2F for /, %40 for @, %3A for :.",
        ) from None
    return Client(connection_pool=pool)


def _sentinel_tls(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "sentinel" and parse_qs(parts.query).get("tls", ["0"])[-1] in ("1", "true")


def _sentinel(url: str, options: dict[str, Any]) -> Client:
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    credentials, _, hosts = parts.netloc.rpartition("@")
    addresses = []
    for address in hosts.split(","):
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "26379")
        if not host or not port.isdigit():
            raise StoreUnsuitable(
                f"{address!r} is no sentinel address.",
                fix="Write sentinel://host:26379,host2:26379/0?service=name.",
            )
        addresses.append((host, int(port)))
    if "service" not in query:
        raise StoreUnsuitable("The sentinel URL names no service.", fix="Add ?service=<name of the master>.")
    user, _, secret = credentials.partition(":")
    if user:
        options["username"] = unquote(user)
    if secret and "password" not in options:
        options["password"] = unquote(secret)
    options.update(
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        ssl=_sentinel_tls(url),
        db=int(parts.path.strip("/") or 0),
    )
    sentinel_options: dict[str, Any] = {"socket_timeout": CONNECT_TIMEOUT_S}
    if "sentinel_password" in query:
        sentinel_options["password"] = query["sentinel_password"]
    sentinel: Any = Sentinel(addresses, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    client: Client = sentinel.master_for(query["service"], redis_class=Client, **options)
    return client


def is_local(url: str) -> bool:
    """Whether a URL stays on this machine (a socket file or a loopback address)."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return True
    if parts.scheme == "sentinel":
        addresses = parts.netloc.rpartition("@")[2].split(",")
        hosts = [address.rpartition(":")[0] or address for address in addresses]
        return all(is_loopback(host) for host in hosts)
    return is_loopback(parts.hostname or "")

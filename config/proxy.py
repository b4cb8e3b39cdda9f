"""Which proxy an account's traffic takes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

__all__ = ["ProxySettings"]


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """One proxy: where it is, who we are to it, and who told us.

    Attributes:
        scheme: ``http``, ``https``, ``socks5`` (local names) or ``socks5h`` (names resolve at the proxy).
        source: ``config:<path>`` or ``env:<NAME>``.
        no_proxy: hosts that go direct; only ever filled when the proxy came from the environment.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: SecretStr | None = None
    source: str = ""
    no_proxy: tuple[str, ...] = ()

    def masked(self) -> str:
        """The URL without credentials, for logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/"

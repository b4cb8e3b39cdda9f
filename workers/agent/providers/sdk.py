"""What the providers behind an official SDK have in common: one endpoint, one client made at the first call.

The SDKs are imported at the first call. Their retries are off: what to do after an error is decided in one
place, ``workers.agent.models``.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, NoReturn, Protocol, TypeVar

if TYPE_CHECKING:
    from pydantic import SecretStr

    from shoal.base.proxy import Proxy

__all__ = ["SdkProvider"]


class _Closes(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closes)


class SdkProvider(ABC, Generic[Client]):
    """One endpoint. Thread-safe; one connection pool.

    Args:
        id: provider id of the config, for errors and cooldowns.
        base_url: none means the maker of the SDK itself.
        api_key: none sends a placeholder, which local servers accept.
        proxy: the only way out, or none.
        idle_s: longest silence while an answer is awaited.
        ca_file: PEM bundle trusted besides the usual authorities.
    """

    own_url: ClassVar[str]

    def __init__(
        self,
        id: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: Proxy | None = None,
        idle_s: float = 120.0,
        ca_file: str | None = None,
    ) -> None:
        self.id = id
        self._base_url = base_url or self.own_url
        self._api_key = api_key
        self._headers = dict(headers or {})
        self._proxy = proxy
        self._idle_s = idle_s
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._client: Client | None = None

    def prepare(self) -> None:
        """Load the SDK and make the client, so that the first call need not.

        Raises:
            ProviderMissingError: the SDK is not installed.
        """
        self._sdk()

    def close(self) -> None:
        """Give up pooled connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @abstractmethod
    def _load(self, model: str) -> Callable[..., Client]:
        """The SDK's class. ``model``: whom it is loaded for, for the error that says it is not installed."""

    def _sdk(self, model: str = "") -> Client:
        with self._lock:
            if self._client is None:
                make = self._load(model)
                from workers.agent.providers.http import model_http_client

                self._client = make(
                    api_key=self._api_key.get_secret_value() if self._api_key else "none",
                    base_url=self._base_url,
                    default_headers=self._headers or None,
                    max_retries=0,
                    http_client=model_http_client(self._proxy, idle_s=self._idle_s, ca_file=self._ca_file),
                )
            return self._client

    def _cut(self, model: str) -> NoReturn:
        """The stream ended without saying that it is complete: half an answer is no answer."""
        from workers.agent.providers.base import ModelTimeoutError

        raise ModelTimeoutError(
            f"{self.id}/{model}: the answer broke off in the middle.", provider=self.id, model=model
        )

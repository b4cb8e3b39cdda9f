"""Addresses of attachments: signed and ending, as Discord's (``?ex=…&is=…&hm=…``).

``ex`` is when the address ends, ``is`` when it was made, both Unix seconds in hex; ``hm`` proves them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote

from shoal.simulator.model import Attachment
from shoal.simulator.settings import Settings

__all__ = ["Signer"]


class Signer:
    """Makes and checks CDN addresses. ``origin`` is known once the port is."""

    def __init__(self, settings: Settings) -> None:
        self.origin = ""
        self._settings = settings
        self._key = secrets.token_bytes(16)

    def sign(self, file: Attachment) -> str:
        """A fresh address of a file."""
        path = f"/attachments/{file.channel_id}/{file.id}/{quote(file.filename)}"
        made = int(time.time())
        ends = made + max(1, int(self._settings.url_life_s))
        proof = self._proof(file.channel_id, file.id, ends, made)
        return f"{self.origin}/cdn{path}?ex={ends:x}&is={made:x}&hm={proof}&"

    def check(self, channel_id: str, file_id: str, ex: str, made: str, proof: str) -> bool:
        """Whether an address is one of ours and has not ended."""
        try:
            ends, since = int(ex, 16), int(made, 16)
        except ValueError:
            return False
        good = self._proof(channel_id, file_id, ends, since)
        return hmac.compare_digest(good.encode(), proof.encode()) and ends > time.time()

    def _proof(self, channel_id: str, file_id: str, ends: int, made: int) -> str:
        text = f"{channel_id}/{file_id}/{ends}/{made}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

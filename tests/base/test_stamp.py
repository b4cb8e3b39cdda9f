"""The stamp on what leaves under a grant."""

from __future__ import annotations

import threading

from shoal.base.stamp import HEADER, stamp_headers, stamped


def test_a_stamp_belongs_to_a_block_and_a_thread() -> None:
    seen: list[dict[str, str]] = []
    with stamped("a" * 32):
        inner = stamp_headers()
        other = threading.Thread(target=lambda: seen.append(stamp_headers()))
        other.start()
        other.join()
    assert list(inner) == [HEADER]
    assert stamp_headers() == {}
    assert seen == [{}]


def test_a_stamp_tells_grants_apart_and_hides_the_token() -> None:
    token = "0123456789abcdef" * 2
    with stamped(token):
        mine = stamp_headers()[HEADER]
    with stamped("f" * 32):
        other = stamp_headers()[HEADER]
    with stamped(token):
        again = stamp_headers()[HEADER]
    assert mine == again != other
    assert token[:8] not in mine

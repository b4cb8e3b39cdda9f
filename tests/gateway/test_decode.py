"""Frames, compression, classification; and everything Discord once sent to a real bot."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.buffer import Item, sort
from gateway.compression import StreamBroken, decompressor
from gateway.decode import BadFrame, Frame, decode_frame
from gateway.events import Kept, Malformed, Origin, keep, name_part
from shoal.base.ids import NAME_PATTERN
from shoal.state.records import decode_event

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("SHOAL_DISCORD_REFERENCE") or ROOT.parent / "shared" / "discord")
ORIGIN = Origin("default", 0, "abc", 7, "42", 1_700_000_000_000)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def recordings() -> list[tuple[str, str, Any]]:
    """(name, dispatch, payload) of every recorded event."""
    path = REFERENCE / "recorded" / "replay-2026-01.json"
    assert path.exists(), f"the reference data is missing: {path} (SHOAL_DISCORD_REFERENCE names its folder)"
    found = []
    for name, entry in json.loads(path.read_text("utf-8")).items():
        if name == "metadata":
            continue
        if "data" in entry and str(entry.get("type", "")).startswith("GATEWAY_"):
            found.append((name, entry["type"].removeprefix("GATEWAY_"), entry["data"]))
        else:
            found.append((name, "INTERACTION_CREATE", entry))
    return found


def test_envelope_keeps_the_payload_as_it_came() -> None:
    frame = decode_frame(b'{"t":"X","s":3,"op":0,"d":{"id":"1","n":1.50,"u":"\\u00e9"},"extra":1}')
    assert isinstance(frame, Frame)
    assert (frame.op, frame.s, frame.t) == (0, 3, "X")
    assert bytes(frame.d) == b'{"id":"1","n":1.50,"u":"\\u00e9"}'


@pytest.mark.parametrize(
    ("data", "seq", "event"),
    [
        (b"", None, None),
        (b"\xff\xfe", None, None),
        (b"[1,2]", None, None),
        (b'{"op":"0"}', None, None),
        (b'{"op":0,"s":12,"t":"MESSAGE_CREATE","d":{"id":}}', 12, "MESSAGE_CREATE"),
        (b'{"d":{"content":"\\"s\\":99"},"op":0,"s":12,"t":"X_Y_Z"', 12, "X_Y_Z"),
    ],
)
def test_bytes_that_are_no_frame(data: bytes, seq: int | None, event: str | None) -> None:
    bad = decode_frame(data)
    assert isinstance(bad, BadFrame)
    assert (bad.payload, bad.seq, bad.event) == (data, seq, event)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    assert isinstance(decode_frame(data), Frame | BadFrame)


def test_zlib_stream_in_pieces_and_across_messages() -> None:
    stream, inflate = zlib.compressobj(), decompressor("zlib-stream")
    for number in range(3):
        text = json.dumps({"op": 0, "n": number, "x": "y" * 500}).encode()
        data = stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH)
        got = [inflate.feed(data[at : at + 7]) for at in range(0, len(data), 7)]
        assert got[-1] == text
        assert got[:-1] == [None] * (len(got) - 1)


def test_zstd_stream_across_messages() -> None:
    stream, inflate = zstandard.ZstdCompressor().compressobj(), decompressor("zstd-stream")
    for number in range(3):
        text = json.dumps({"op": 0, "n": number, "x": "y" * 500}).encode()
        data = stream.compress(text) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        assert inflate.feed(data) == text


@pytest.mark.parametrize("kind", ["zlib-stream", "zstd-stream"])
def test_a_damaged_stream_is_an_error_not_a_wrong_message(kind: Any) -> None:
    with pytest.raises(StreamBroken):
        decompressor(kind).feed(b"rubbish that is no stream\x00\x00\xff\xff")


@pytest.mark.parametrize(("name", "event", "payload"), recordings(), ids=[one[0] for one in recordings()])
def test_every_recording_is_kept_and_comes_out_unchanged(name: str, event: str, payload: Any) -> None:
    frame = decode_frame(json.dumps({"op": 0, "s": 7, "t": event, "d": payload}).encode())
    assert isinstance(frame, Frame)
    item = Item("abc", 6, 7)
    sort(item, frame, ORIGIN)
    assert item.bad is None
    if event == "THREAD_CREATE":
        assert item.kept is None
        assert item.fact is not None
        return
    kept = item.kept
    assert isinstance(kept, Kept)
    assert kept.record is not None
    assert json.loads(bytes(decode_event(kept.record.body).data)) == payload
    for value in (kept.lane, kept.record.identity, kept.dedup):
        assert value
        assert NAME_PATTERN.fullmatch(value)


def test_identities() -> None:
    base = {"id": "1457536551830421524", "channel_id": "9", "author": {"id": "5"}}
    created = keep("MESSAGE_CREATE", raw(base), ORIGIN)
    assert created is not None
    assert created.record is not None
    assert created.dedup == "m:1457536551830421524"
    assert created.record.identity == "m:default:1457536551830421524"
    assert created.record.message_id == "1457536551830421524"
    assert created.record.born == 1767574193676
    assert created.lane == "inbound:default:9"
    edited = keep("MESSAGE_UPDATE", raw({**base, "edited_timestamp": "2026-01-05T00:49:53.676Z"}), ORIGIN)
    assert edited is not None
    assert edited.dedup == "e:default:1457536551830421524:20260105004953676"
    click = keep("INTERACTION_CREATE", raw({"id": "77", "token": "t", "type": 3, "channel_id": "9"}), ORIGIN)
    assert click is not None
    assert (click.lane, click.dedup) == ("interaction:default:77", "i:77")
    reaction = {"channel_id": "9", "message_id": "1", "user_id": "5", "emoji": {"name": "👀", "id": None}}
    one = keep("MESSAGE_REACTION_ADD", raw(reaction), ORIGIN)
    two = keep("MESSAGE_REACTION_REMOVE", raw(reaction), ORIGIN)
    assert one is not None
    assert two is not None
    assert one.dedup != two.dedup
    gone = keep("CHANNEL_DELETE", raw({"id": "9"}), ORIGIN)
    assert gone is not None
    assert gone.dedup == "s:default:abc:7"


@pytest.mark.parametrize(
    ("text", "fast"),
    [("stop", True), ("<@42> STOP!", True), ("/stop", True), ("停止。", True), ("stop that train", False),
     ("please stop", True), ("", False), ("don't stop " * 40, False)],
)  # fmt: skip
def test_abort_words_also_take_the_quick_lane(text: str, fast: bool) -> None:
    payload = {"id": "1457536551830421524", "channel_id": "9", "author": {"id": "5"}, "content": text}
    kept = keep("MESSAGE_CREATE", raw(payload), ORIGIN)
    assert kept is not None
    assert kept.lane == "inbound:default:9"
    assert (kept.also is not None) is fast
    if kept.also is not None:
        lane, record = kept.also
        assert lane == "fast:default:9"
        assert record.message_id == ""
        assert json.loads(bytes(decode_event(record.body).data)) == payload


def test_the_result_of_our_own_poll_is_kept() -> None:
    """Discord names the poll's maker as its author; everything else of ours only comes back as an echo."""
    ours = {"id": "1457536955662471180", "channel_id": "6", "author": {"id": "42"}}
    result = keep("MESSAGE_CREATE", raw({**ours, "type": 46}), ORIGIN)
    assert result is not None
    assert result.lane == "inbound:default:6"
    plain = keep("MESSAGE_CREATE", raw({**ours, "type": 0}), ORIGIN)
    assert plain is not None
    assert (plain.lane, plain.outcome) == (None, ("1457536955662471180", "dropped", "own-message"))
    strange = keep("MESSAGE_CREATE", raw({**ours, "type": "text"}), ORIGIN)
    assert strange is not None
    assert strange.lane is None


def test_two_accounts_never_share_an_identity() -> None:
    payload = raw({"id": "1457536551830421524", "channel_id": "9", "author": {"id": "5"}})
    other = Origin("second", 0, "abc", 7, "43", 0)
    one, two = keep("MESSAGE_CREATE", payload, ORIGIN), keep("MESSAGE_CREATE", payload, other)
    assert one is not None
    assert two is not None
    assert one.record is not None
    assert two.record is not None
    assert one.record.identity != two.record.identity


@pytest.mark.parametrize(
    "payload",
    [{}, {"id": "1"}, {"id": None, "channel_id": "2"}, {"id": "1", "channel_id": {}}, [], None, "x",
     {"id": "1", "channel_id": "2", "author": 5}],
)  # fmt: skip
def test_messages_without_what_they_cannot_be_without(payload: Any) -> None:
    with pytest.raises(Malformed):
        keep("MESSAGE_CREATE", raw(payload), ORIGIN)


def test_what_other_servers_send_wrongly_is_survived() -> None:
    odd = {"id": 1457536551830421524, "channel_id": 9, "author": {"username": "x"}, "member": {"roles": [{}]},
           "mentions": None, "nonce": 5}  # fmt: skip
    kept = keep("MESSAGE_CREATE", raw(odd), ORIGIN)
    assert kept is not None
    assert kept.dedup == "m:1457536551830421524"


@given(st.one_of(st.text(max_size=300), st.integers()))
def test_any_id_becomes_a_name(value: str | int) -> None:
    assert NAME_PATTERN.fullmatch(name_part(value))

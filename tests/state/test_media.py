"""Facts about files: one disk is not another, one fetcher at a time, waiting turns are woken."""

from __future__ import annotations

from shoal.base.ids import new_token
from shoal.state.families import family_of
from shoal.state.media import Heard, Saved, file_ready, speech_ready
from shoal.state.records import Grant, Refused
from shoal.state.store import Store
from tests.state.support import SESSION, record


def test_a_file_is_known_host_by_host(store: Store) -> None:
    assert store.media.facts("default", ["7"])["7"].saved == {}
    here = Saved(path="/state/media/inbound/a.png", mime="image/png", size=3, sha256="ab", at_ms=5)
    store.media.save("default", "7", "one", here)
    store.media.save("default", "7", "two", Saved(error="too-large"))
    store.media.hear("default", "7", Heard("hello", "openai/x"))
    facts = store.media.facts("default", ["7", "8"])
    assert facts["7"].saved == {"one": here, "two": Saved(error="too-large")}
    assert facts["7"].heard == Heard("hello", "openai/x")
    assert facts["8"].heard is None
    assert store.media.facts("other", ["7"])["7"].saved == {}
    store.media.forget("default", "7", ["one"])
    assert set(store.media.facts("default", ["7"])["7"].saved) == {"two"}
    assert 0 < store.redis.ttl(store.keys.media("default", "7")) <= 86_400


def test_one_fetches_and_may_go_on(store: Store) -> None:
    assert store.media.claim("default", "7", "one", "a")
    assert not store.media.claim("default", "7", "one", "b")
    assert store.media.claim("default", "7", "two", "b")
    assert store.media.claim("default", "7", "one", "a")
    store.media.release("default", "7", "one")
    assert store.media.claim("default", "7", "one", "b")
    assert all(family_of(key.decode()) for key in store.redis.keys("*"))


def test_who_waits_is_woken(store: Store) -> None:
    """Also if the file was there first: a wake that comes before its park is not lost."""
    for key, tell in (
        (
            file_ready("default", "7", "one"),
            lambda: store.media.save("default", "7", "one", Saved(error="x")),
        ),
        (speech_ready("default", "7"), lambda: store.media.hear("default", "7", Heard("hi"))),
    ):
        for early in (False, True):
            store.redis.flushall()
            store.lanes.push(SESSION, record("m.1"))
            grant = store.lanes.acquire(SESSION, new_token())
            assert isinstance(grant, Grant)
            if early:
                tell()
            store.lanes.park(grant, delay_ms=60_000, wake_on=[key], wake_on_push=False)
            if not early:
                assert isinstance(store.lanes.acquire(SESSION, new_token()), Refused)
                tell()
            assert isinstance(store.lanes.acquire(SESSION, new_token()), Grant)


def test_a_record_can_be_looked_at_where_it_waits(store: Store) -> None:
    store.lanes.push(SESSION, record("m.1"))
    found = store.lanes.find(SESSION, "m.1")
    assert found is not None
    assert found.body == record("m.1").body
    assert store.lanes.find(SESSION, "m.2") is None

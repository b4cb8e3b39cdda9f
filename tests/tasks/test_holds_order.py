"""Any interleaving of authors, looks, deadlines and crashes keeps each author's order and loses nothing."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shoal.base.ids import new_token
from shoal.state.lookups import Asked
from shoal.state.records import Grant
from shoal.state.store import Store
from tasks import inbound
from tests.conftest import RedisServer
from tests.quick import examples
from tests.tasks.support.front import ANN, BOB, GUILD, INBOUND, Front, hold_of
from workers.sessions.admission.holding import Wait, look
from workers.sessions.view import StoreView

AUTHORS = (ANN, BOB, "103")
FILE = [{"id": "1", "filename": "a.png", "url": "u"}]
KINDS = ("plain", "mention", "file", "command", "abort", "stop", "unread", "rolesless", "edit", "delete")
LONG_MS = 3_600_000

Step = tuple[str, int, str]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 2), st.sampled_from(KINDS)),
        st.tuples(st.just("admit"), st.integers(1, 3), st.just("")),
        st.tuples(st.sampled_from(["look", "late", "crash", "answer"]), st.integers(0, 2), st.just("")),
    ),
    min_size=5,
    max_size=60,
)


class Run:
    """One interleaving. Time is ours: a look is before or after every deadline."""

    def __init__(self, store: Store, url: str, folder: Path) -> None:
        store.redis.flushall()
        queue = {"mode": "followup", "cap": 1_000}
        self.front = Front(
            store, url, folder,
            discord={"allowFrom": list(AUTHORS), "guilds": {GUILD: {"roles": ["77"], "users": ["1"]}}},
            messages={"inbound": {"debounceMs": LONG_MS}, "queue": queue},
        )  # fmt: skip
        self.store = store
        self.said: dict[str, list[str]] = defaultdict(list)

    def say(self, author: str, kind: str) -> None:
        """One message, or what happens to the author's newest one."""
        member = {"roles": ["77"]}
        if kind in ("edit", "delete"):
            for newest in self.said[author][-1:]:
                self.front.delete(newest) if kind == "delete" else self.front.edit(newest, "new", author)
            return
        text = {"command": "/help", "abort": "wait", "stop": "/stop", "unread": "<@4711>"}.get(kind, kind)
        files = FILE if kind == "file" else []
        self.said[author].append(
            self.front.say(
                text,
                author,
                mention=kind in ("mention", "file", "command"),
                member=... if kind == "rolesless" else member,
                attachments=files,
            )
        )

    def admit(self, count: int) -> None:
        """Some events of the channel are admitted."""
        for _ in range(count):
            inbound.admit_lane(self.front.runtime, INBOUND)

    def look(self, author: str, *, late: bool = False, crash: bool = False) -> bool:
        """A look into an author's hold lane; whether something was decided."""
        lanes = self.store.lanes
        lane = hold_of(author)
        self.store.redis.hdel(self.store.keys.lane(lane), "park", "pp", "nb")
        grant = lanes.acquire(lane, new_token())
        if not isinstance(grant, Grant):
            return False
        view = StoreView(self.front.runtime.admission_settings("default"), self.store)
        now = self.store.now_ms() + (10 * LONG_MS if late else 0)
        found = look(grant.head, grant.absorbed, lanes.behind(grant, 64), view, now)
        if isinstance(found, Wait):
            lanes.yield_(grant)
            return False
        lanes.absorb(grant, found.absorb)
        if crash:
            lanes.yield_(grant)
            return False
        step = inbound.commit_admission(self.front.runtime, found.admission)
        lanes.commit(grant, step.effects, take_next=False)
        return True

    def answer(self, author: str) -> None:
        """Somebody has found out about an author's roles."""
        self.store.lookups.put(Asked("default", "member", f"{GUILD}.{author}"), {"roles": ["77"]}, ttl_s=60)

    def finish(self) -> None:
        """All deadlines pass."""
        while self.store.lanes.depth(INBOUND):
            self.admit(1)
        for author in AUTHORS:
            while self.store.lanes.depth(hold_of(author)):
                assert self.look(author, late=True)

    def check(self) -> None:
        """Each message has one fate, and each author's turns are in the order they were written."""
        turns = self.front.turns()
        waiting = [name for turn in turns for name in turn.all_message_ids]
        assert len(waiting) == len(set(waiting)), "a message is in two turns"
        everything = [name for names in self.said.values() for name in names]
        told = self.store.ledger.explain_all("default", everything)
        for name, story in zip(everything, told, strict=True):
            fates = (name in waiting) + (story is not None and story.outcome is not None)
            assert fates == 1, (name, story)
        for author, names in self.said.items():
            order = [name for turn in turns if turn.author_id == author for name in turn.all_message_ids]
            assert order == [name for name in names if name in order]
        assert not self.store.lanes.any("hold")


TALK = [("say", 0, "mention"), ("say", 0, "plain"), ("admit", 1, ""), ("crash", 0, ""), ("say", 0, "file")]
WAIT = [("say", 0, "rolesless"), ("say", 0, "mention"), ("admit", 1, ""), ("late", 0, ""), ("say", 0, "stop")]


@given(steps=STEPS)
@example(steps=TALK)
@example(steps=WAIT)
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_interleaving_keeps_the_order_and_loses_nothing(
    steps: list[Step], store: Store, redis_server: RedisServer
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(store, redis_server.url, Path(folder))
        for what, number, kind in steps:
            match what:
                case "say":
                    run.say(AUTHORS[number], kind)
                case "admit":
                    run.admit(number)
                case "answer":
                    run.answer(AUTHORS[number])
                case _:
                    run.look(AUTHORS[number], late=what != "look", crash=what == "crash")
        run.finish()
        run.check()

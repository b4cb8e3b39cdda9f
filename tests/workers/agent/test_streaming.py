"""What turns show while they run, on a real store and a real Discord (``spec/outbound.md`` 4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from config.agents import ModelRef
from shoal.base.ids import new_token
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from shoal.state.records import Grant, Refused
from shoal.state.steps import Commit, Fail, Yield
from shoal.state.store import Store
from tests.workers.agent.support.turns import CountingTool, crash, deps, record, request, settle
from workers.agent.context import TurnContext
from workers.agent.drafts import LABELS, draft_text, label_of, partial_text, tool_line, whole_blocks
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.shown import ShownSettings
from workers.agent.streaming import StreamSettings
from workers.agent.tools.registry import ToolContext, ToolResult
from workers.agent.turn import run_turn
from workers.delivery.deps import DeliveryDeps
from workers.delivery.render import DeliverySettings
from workers.delivery.send import deliver
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
CALL = {"tool_calls": [{"name": "count", "arguments": {"query": "fish"}}]}
EXEC = {"tool_calls": [{"name": "exec", "arguments": {"command": "rm -r secrets"}}]}
WORDS = [f"word {number} of the answer. " for number in range(12)]


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


class SlowTool(CountingTool):
    """A tool that takes its time."""

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult:
        del args, context
        self.runs += 1
        self.on_run()
        return ToolResult("counted")


class Stage:
    """A channel whose session lane and delivery lane are worked off at the same time."""

    def __init__(self, store: Store, discord: Simulator, **stream: Any) -> None:
        self.store = store
        self.control = discord.control
        self.channel = str(discord.control.add_channel(discord.guild_id, "stage")["id"])
        self.transport = Transport(
            "default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url
        )
        rest = Rest(self.transport, max_wait=0.05, retry=NO_RETRY)
        self.delivery = DeliveryDeps(
            store=store,
            rest=lambda _account: rest,
            settings=lambda _account: DeliverySettings(),
            bot_id=lambda _account: discord.bot_id,
        )
        self.stream = StreamSettings(**{"throttle_s": 0.05, "work_s": 0.2, **stream})
        self.lane = f"session:agent:main:discord:channel:{self.channel}"
        self.seen: list[str] = []
        self._over = threading.Event()
        self._back = threading.Thread(target=self._deliver, daemon=True)
        self._back.start()

    def ask(self, **changes: Any) -> TurnRequest:
        said = self.control.say(self.channel, "please")
        wanted = request(
            "please",
            **{
                "channel_id": self.channel,
                "message_id": said["id"],
                "session_key": f"agent:main:discord:channel:{self.channel}",
                **changes,
            },
        )
        self.store.lanes.push(self.lane, record(wanted))
        return wanted

    def deps(
        self, server: ModelServer, *tools: Any, private: bool = False, utility: bool = False
    ) -> TurnDeps:
        profile = AgentProfile(
            "main",
            "Shoal",
            primary=ModelRef("local", "m1"),
            utility=ModelRef("local", "small") if utility else None,
            visible_all="message_tool" if private else "automatic",
            shown=ShownSettings(stream=self.stream),
        )
        return deps(self.store, server, *tools, profile=profile)

    def take(self) -> Grant:
        grant = self.store.lanes.acquire(self.lane, new_token())
        assert isinstance(grant, Grant), grant
        return grant

    def drive(self, used: TurnDeps) -> Commit:
        """Until the turn is over and its lane has sent everything."""
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            # nobody renews here, and the machine may be busy
            grant = self.store.lanes.acquire(self.lane, new_token(), ttl_ms=60_000)
            if isinstance(grant, Refused):
                time.sleep(0.02)
                continue
            step = run_turn(grant, used, TurnContext())
            settle(self.store, grant, step)
            if isinstance(step, Commit):
                self.settled()
                return step
        raise AssertionError("the turn does not end")

    def settled(self) -> None:
        ends = time.monotonic() + 10
        while self.store.lanes.depth(f"delivery:default:{self.channel}"):
            assert time.monotonic() < ends
            time.sleep(0.02)

    def shown(self) -> list[str]:
        return [message["content"] for message in self.control.messages(self.channel, author="bot")]

    def until(self, text: str) -> None:
        """Wait until something with ``text`` in it is to be seen."""
        ends = time.monotonic() + 10
        while not any(text in one for one in self.shown()):
            assert time.monotonic() < ends, self.shown()
            time.sleep(0.02)

    def close(self) -> None:
        self._over.set()
        self._back.join(10)
        self.transport.close()

    def _deliver(self) -> None:
        """What a back worker does."""
        lane = f"delivery:default:{self.channel}"
        while not self._over.wait(0.01):
            grant = self.store.lanes.acquire(lane, new_token())
            while isinstance(grant, Grant):
                before = self.shown()
                step = deliver(grant, self.delivery, lambda: None)
                self.seen += [text for text in self.shown() if text not in before]
                if isinstance(step, Commit):
                    grant = self.store.lanes.commit(grant, step.effects)  # type: ignore[assignment]
                    continue
                assert isinstance(step, Yield | Fail)
                self.store.lanes.yield_(grant)
                break


@pytest.fixture
def make_stage(store: Store, discord: Simulator) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(**stream: Any) -> Stage:
        made.append(Stage(store, discord, **stream))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


Make = Callable[..., Stage]


def test_a_plain_text_turn_shows_no_draft(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": WORDS, "chunk_delay": 0.05}])))
    assert stage.seen == ["".join(WORDS).strip()]


def test_a_draft_appears_at_the_second_piece_of_work(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(work_s=60.0)
    tool = SlowTool(lambda: stage.until("Count") if tool.runs == 2 else None)
    stage.ask()
    stage.drive(stage.deps(chat_server([CALL, CALL, {"text": "Done."}]), tool))
    draft = next(text for text in stage.seen if "Count" in text)
    assert draft.splitlines() == [label_of("auto", None, "default", stage.channel), "• 🔧 Count: fish"]
    assert stage.shown() == ["Done."], "the draft became the answer, and nothing else is there"


def test_a_draft_appears_when_the_first_work_takes_long(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(label=False)
    stage.ask()
    tool = SlowTool(lambda: stage.until("Count"))
    stage.drive(stage.deps(chat_server([CALL, {"text": "Done."}]), tool))
    assert stage.seen[0] == "• 🔧 Count: fish"
    assert stage.shown() == ["Done."]


SAYING = [{"text": "First I `look.\nThen I see. ", **CALL}, {"text": "HEARTBEAT_OK", **CALL}]


@pytest.mark.parametrize("lines", [True, False])
def test_commentary_stands_between_the_lines_of_tools(
    make_stage: Make, chat_server: Start, lines: bool
) -> None:
    """4.1, 4.4: what the model says before it uses tools; where lines of tools are off, it stands alone."""
    stage = make_stage(label=False, work_s=60.0, commentary=True, draft_lines=lines)
    tool = SlowTool(lambda: stage.until("Count" if lines else "First") if tool.runs == 2 else None)
    stage.ask()
    stage.drive(stage.deps(chat_server([*SAYING, {"text": "Done."}]), tool))
    wanted = ["• 💬 First I look. Then I see.", *(["• 🔧 Count: fish"] if lines else [])]
    assert stage.seen[0].splitlines() == wanted
    assert stage.shown() == ["Done."]


def test_commentary_alone_begins_no_draft_and_is_not_shown_unless_wanted(
    make_stage: Make, chat_server: Start
) -> None:
    stage = make_stage(label=False, work_s=60.0, commentary=True)
    stage.ask()
    stage.drive(stage.deps(chat_server([SAYING[0], {"text": "Done."}]), SlowTool()))
    assert stage.seen == ["Done."]
    quiet = make_stage(label=False, work_s=60.0)
    tool = SlowTool(lambda: quiet.until("Count") if tool.runs == 2 else None)
    quiet.ask()
    quiet.drive(quiet.deps(chat_server([*SAYING, {"text": "Done."}]), tool))
    assert quiet.seen[0].splitlines() == ["• 🔧 Count: fish"]


def test_commentary_is_remembered_by_the_next_worker(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(label=False, work_s=60.0, commentary=True)
    stage.ask()
    server = chat_server([*SAYING, {"text": "Done."}])

    class Dead(BaseException):
        pass

    def die() -> None:
        raise Dead

    grant = stage.take()
    with pytest.raises(Dead):
        run_turn(grant, stage.deps(server, SlowTool(die)), TurnContext())
    stage.store.lanes.yield_(grant)
    tool = SlowTool(lambda: stage.until("First I look"))
    stage.drive(stage.deps(server, tool))
    assert stage.seen[0].splitlines()[0] == "• 💬 First I look. Then I see."
    assert stage.shown() == ["Done."]


SMALL: dict[str, Any] = {"model": "small", "match": "."}


@pytest.mark.parametrize("lines", [True, False])
def test_a_small_model_says_in_place_of_the_label_what_is_done(
    make_stage: Make, chat_server: Start, lines: bool
) -> None:
    """4.1: it reads the request and the steps, as far as people see them; no result, no hidden command."""
    stage = make_stage(draft_lines=lines, raw=False, narrate_s=0.0)
    server = chat_server([{**SMALL, "text": "Counting\n**all** the fish."}, EXEC, CALL, {"text": "Done."}])
    tool = SlowTool(lambda: stage.until("Counting") if tool.runs == 1 else None)
    stage.ask()
    stage.drive(stage.deps(server, tool, utility=True))
    headed = next(text for text in stage.seen if "Counting" in text).splitlines()
    assert headed[0] == "Counting **all** the fish."
    assert (headed[1:] != []) == lines
    asked = [one["body"] for one in server.requests() if one["body"]["model"] == "small"]
    assert "Request: please\nSteps:\n- 🛠️ Bash\n- 🔧 Count: fish" in asked[0]["messages"][-1]["content"]
    assert not any(word in str(asked) for word in ("rm -r", "counted"))
    assert stage.shown() == ["Done."]


@pytest.mark.parametrize("trouble", [{"error": {"status": 500}}, {"hang": True}, {"text": "NO_REPLY"}])
def test_a_draft_needs_no_headline_and_a_turn_waits_for_none(
    make_stage: Make, chat_server: Start, trouble: dict[str, Any]
) -> None:
    stage = make_stage(narrate_s=0.0)
    server = chat_server([{**SMALL, **trouble}, CALL, CALL, {"text": "Done."}])
    tool = SlowTool(lambda: stage.until("Count") if tool.runs == 2 else None)
    stage.ask()
    began = time.monotonic()
    stage.drive(stage.deps(server, tool, utility=True))
    assert time.monotonic() - began < 8
    assert stage.seen[0].splitlines()[0] in LABELS
    assert stage.shown() == ["Done."]


def test_nobody_narrates_a_short_turn_or_where_it_is_not_wanted(make_stage: Make, chat_server: Start) -> None:
    for short, stream in (
        (True, {"work_s": 60.0}),
        (False, {"narration": False}),
        (False, {"mode": "partial"}),
    ):
        stage = make_stage(**stream)
        server = chat_server(
            [{**SMALL, "text": "Counting."}, CALL, *([] if short else [CALL]), {"text": "Done."}]
        )
        stage.ask()
        stage.drive(stage.deps(server, SlowTool(), utility=True))
        assert [one["body"]["model"] for one in server.requests() if one["body"]["model"] == "small"] == []


def test_short_work_shows_no_draft(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(work_s=60.0)
    stage.ask()
    stage.drive(stage.deps(chat_server([CALL, {"text": "Done."}]), SlowTool()))
    assert stage.seen == ["Done."]


def test_a_private_final_leaves_no_trace(make_stage: Make, chat_server: Start) -> None:
    """Decision 31: in guilds the draft is shown; at the end neither it nor a word of the text is there."""
    stage = make_stage()
    stage.ask()
    tool = SlowTool(lambda: stage.until("Count"))
    stage.drive(stage.deps(chat_server([CALL, {"text": "my private thought"}]), tool, private=True))
    assert len(stage.seen) == 1
    assert not any("private" in text for text in stage.seen)
    assert stage.shown() == []


@pytest.mark.parametrize("mode", ["partial", "block"])
def test_a_private_final_has_no_text_preview(make_stage: Make, chat_server: Start, mode: str) -> None:
    stage = make_stage(mode=mode, block_min=20)
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": WORDS, "chunk_delay": 0.05}]), private=True))
    assert stage.seen == []


def test_partial_text_grows_and_becomes_the_answer(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(mode="partial")
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": WORDS, "chunk_delay": 0.15}])))
    final = "".join(WORDS).strip()
    assert stage.shown() == [final]
    assert len(stage.seen) > 2
    assert all(final.startswith(text) and len(text) >= 30 for text in stage.seen)
    assert len(stage.control.messages(stage.channel, author="bot")) == 1


def test_a_silent_answer_is_never_begun(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(mode="partial")
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": ["NO", "_RE", "PLY"], "chunk_delay": 0.2}])))
    assert stage.seen == []


def test_a_text_longer_than_a_message_ends_the_preview(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(mode="partial", limit=100)
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": WORDS, "chunk_delay": 0.1}])))
    assert all(len(text) <= 100 for text in stage.seen[:-1])
    assert stage.shown() == ["".join(WORDS).strip()]


def test_blocks_are_shown_whole(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage(mode="block", block_min=40, block_max=120, block_break="sentence")
    stage.ask()
    stage.drive(stage.deps(chat_server([{"text": WORDS, "chunk_delay": 0.1}])))
    assert len(stage.seen) > 1
    assert all(text.endswith(".") for text in stage.seen)
    assert stage.shown() == ["".join(WORDS).strip()]


@pytest.mark.waits
def test_in_mode_block_each_message_of_the_model_has_a_preview_and_all_of_its_text(
    make_stage: Make, chat_server: Start
) -> None:
    """4.4: what makes no whole block is shown when its message ends; a new message is a new preview."""
    stage = make_stage(mode="block", block_min=400, block_max=800)
    stage.ask()
    said = "I am going to look that up for you now, please wait."
    tool = SlowTool(lambda: None if tool.runs == 1 else stage.until(said))
    server = chat_server([{"text": said, **CALL}, CALL, {"text": "It is a fish."}])
    stage.drive(stage.deps(server, tool))
    assert tool.runs == 2
    assert stage.shown() == ["It is a fish."]


@pytest.mark.parametrize("mode", ["progress", "partial"])
def test_the_word_of_an_error_is_sent_afresh(make_stage: Make, chat_server: Start, mode: str) -> None:
    """4.5: a progress draft stays beside it for diagnosis, the half of an answer goes."""
    stage = make_stage(mode=mode)
    stage.ask(chat_type="direct", guild_id=None)
    tool = SlowTool(lambda: stage.until("Count"))
    broken = {"error": {"status": 400, "message": "no such thing"}}
    stage.drive(stage.deps(chat_server([CALL, broken, broken]), tool))
    *drafts, told = stage.shown()
    assert "Count" not in told
    assert [("Count" in draft) for draft in drafts] == ([True] if mode == "progress" else [])


class BrokenTool(SlowTool):
    """A tool that fails."""

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult:
        super().run(args, context)
        return ToolResult("no luck", error=True)


@pytest.mark.parametrize(("said", "shown"), [("", True), ("It did not work.", False), ("NO_REPLY", False)])
def test_a_failed_tool_is_told_only_where_nothing_else_is(
    make_stage: Make, chat_server: Start, said: str, shown: bool
) -> None:
    """4.5, ``spec/outbound.md`` 9.2: the warning is held back, and sent if nothing else was delivered."""
    stage = make_stage(work_s=60.0)
    stage.ask()
    stage.drive(stage.deps(chat_server([CALL, {"text": said}]), BrokenTool()))
    assert any("🔧 Count failed" in text for text in stage.shown()) == shown


@pytest.mark.parametrize("mode", ["progress", "partial"])
def test_a_turn_whose_worker_dies_goes_on_with_its_preview(
    make_stage: Make, chat_server: Start, mode: str
) -> None:
    stage = make_stage(mode=mode)
    stage.ask()
    text = {"text": WORDS, "chunk_delay": 0.05}
    server = chat_server([CALL, text, text])

    class Dead(BaseException):
        pass

    def die() -> None:
        stage.until("Count")
        raise Dead

    grant = stage.take()
    with pytest.raises(Dead):
        run_turn(grant, stage.deps(server, SlowTool(die)), TurnContext())
    crash(stage.store, grant)
    stage.drive(stage.deps(server, SlowTool()))
    assert stage.shown() == ["".join(WORDS).strip()]


def test_a_stopped_turn_leaves_nothing(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    wanted = stage.ask()

    def stop() -> None:
        stage.until("Count")
        stage.store.lanes.stop(stage.lane, int(time.time() * 1000) + 1000, wanted.message_id)

    stage.drive(stage.deps(chat_server([CALL, {"text": WORDS, "chunk_delay": 0.2}]), SlowTool(stop)))
    assert stage.shown() == []


# -- the text ----------------------------------------------------------------------------------------


def test_the_label_is_the_channels_own() -> None:
    assert label_of("auto", None, "default", "1") == label_of("auto", None, "default", "1")
    assert {label_of("auto", None, "default", str(number)) for number in range(300)} == set(LABELS)
    assert label_of("auto", ["Only this"], "default", "1") == "Only this"
    assert label_of("Busy", None, "default", "1") == "Busy"
    assert label_of(False, None, "default", "1") == ""


def test_lines_of_tools() -> None:
    assert tool_line("exec", '{"command": "run \\n tests"}', raw=True) == "🛠️ Bash: run tests"
    assert tool_line("exec", '{"command": "run tests"}', raw=False) == "🛠️ Bash"
    assert tool_line("web_search", '{"query": "x"}', raw=True) == '🔎 Web Search: for "x"'
    assert tool_line("exec", '{"command": "a `b"}', raw=True) == "🛠️ Bash: a b"
    assert tool_line("odd_thing", "no json", raw=True) == "🔧 Odd Thing"


def test_lines_with_all_arguments() -> None:
    """4.1: ``toolProgressDetail: raw``; a hidden command stays hidden, and secrets never show."""
    call = '{"query": "x", "limit": 5, "where": {"in": ["a"]}, "note": "b\\n c"}'
    shown = 'for "x", limit=5, where={"in":["a"]}, note=b c'
    assert tool_line("web_search", call, raw=True, whole=True) == f"🔎 Web Search: {shown}"
    assert tool_line("web_search", call, raw=True) == '🔎 Web Search: for "x"'
    assert tool_line("exec", '{"command": "run", "cwd": "/"}', raw=False, whole=True) == "🛠️ Bash"
    assert tool_line("odd", '{"a": 1}', raw=True, whole=True) == "🔧 Odd: a=1"
    key = "sk-" + "a1B2" * 8
    assert key not in tool_line("web_fetch", f'{{"url": "u", "auth": "Bearer {key}"}}', raw=True, whole=True)


def test_the_draft_keeps_the_newest_lines_and_merges_equal_ones() -> None:
    lines = ["a", "a", *[str(number) for number in range(9)]]
    shown = draft_text("L", lines, max_lines=8, max_line_chars=120).splitlines()
    assert shown == ["L", *[f"• {number}" for number in range(2, 9)]]
    assert draft_text("", ["a", "a"], max_lines=8, max_line_chars=120) == "• a"
    long = draft_text("", ["x" * 50 + "y" * 50], max_lines=8, max_line_chars=40)
    assert len(long) == 40
    assert long.startswith("• xxxx")
    assert long.endswith("yyyy")
    assert "…" in long


@pytest.mark.parametrize("raw", ["NO_RE", "NO_REPLY", "Reasoning:\nI think", ""])
def test_what_is_not_for_people_is_not_in_a_preview(raw: str) -> None:
    assert partial_text(raw) == ""


@pytest.mark.parametrize(
    "beginning",
    ["[[", "[[reply_to_cur", "[[reply_to:123]", "\nMEDIA:", "\nMEDIA:/tmp/a.pn", "<@12345", "<t:17", "<thin"],
)
def test_what_may_become_a_tag_is_not_shown_before_it_is_whole(beginning: str) -> None:
    assert partial_text(f"some words{beginning}") == "some words"
    assert partial_text(f"some words{beginning}\nand 1 < 2").startswith("some words")


def test_whole_blocks_wait_for_their_end() -> None:
    text = "First paragraph here.\n\nSecond one begins"
    cut = whole_blocks(text, 0, min_chars=10, max_chars=100, prefer="paragraph")
    assert text[:cut] == "First paragraph here."
    assert whole_blocks("short", 0, min_chars=10, max_chars=100, prefer="paragraph") == 0
    assert whole_blocks("x" * 500, 0, min_chars=10, max_chars=100, prefer="newline") == 500

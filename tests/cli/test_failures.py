"""What a failure of Discord's looks like to people and models: one sentence, by every way it can be met.

``spec/outbound.md`` 1.7, 11 rows 20, 22, 29. The simulated Discord has Discord's own status and words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from config import load
from shoal.base.errors import ShoalError
from shoal.base.ids import new_token
from shoal.cli.commands.inspect import _story_json, _story_text
from shoal.cli.exits import print_failure
from shoal.cli.message.run import Operator, run_line
from shoal.cli.message.table import COMMANDS
from shoal.cli.status import collect, render
from shoal.discord.codes import CODES, CONDITIONS, failure_for
from shoal.discord.interactions import InteractionCalls
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.threads import rename_channel, thread_on_message
from shoal.discord.transport import Transport
from shoal.simulator.control import Control
from shoal.simulator.errors import TEXTS
from shoal.state.records import Failure, Grant
from shoal.state.steps import Commit, Fail, Yield
from tasks.deaths import Owner, tell_of_the_dead
from tests.workers.agent.support.turns import request as turn_request
from tests.workers.delivery.conftest import CREATE, PostOffice, discord, post
from workers.actions.base import ActionContext
from workers.agent.context import TurnContext
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.registry import ToolContext, ToolError
from workers.agent.tools.underway import Underway, arrived, wait_for
from workers.delivery.records import SendRequest, decode_send
from workers.delivery.refused import refusals

__all__ = ["discord", "post"]

Json = dict[str, Any]
OWNER_DM = "9001"
PASSING = {code for code, (status, _) in TEXTS.items() if status in (401, 429) or status >= 500}
PASSING |= {code for code in TEXTS if CODES[code].retryable}
PASSING.discard(50027)
"""Codes after which a delivery is tried again."""
MESSAGE = "212121212121212121"


@pytest.fixture
def who(post: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", post.simulator.token)
    monkeypatch.setenv("SHOAL_DISCORD_API_URL", post.simulator.api_url)
    loaded = load(None, state_dir=tmp_path)
    return Operator(loaded, loaded.account("default"), post.rest, post.store)


def die(post: PostOffice, text: str = "an answer", **fields: Any) -> SendRequest:
    """A send that Discord refuses for good, to its end."""
    request = post.push(post.request(text, step=f"s{new_token()[:8]}", **fields))
    while post.store.lanes.depth(request.lane):
        post.work()
    return request


def notices(post: PostOffice, channel: str) -> list[str]:
    """What waits to be said in a channel."""
    found, lane = [], f"delivery:default:{channel}"
    grant = post.store.lanes.acquire(lane, new_token())
    while isinstance(grant, Grant):
        found.append(decode_send(grant.head.body).text)
        following = post.store.lanes.commit(grant, [], take_next=True)
        assert following is None or isinstance(following, Grant)
        if following is None:
            break
        grant = following
    return found


def tool_context(post: PostOffice) -> ToolContext:
    return ToolContext(turn_request(channel_id=post.channel), post.cause, "t1", post.store, TurnContext())


def told_model(post: PostOffice, sent: SendRequest) -> str:
    """What the model reads of a send of its own."""
    waiting = wait_for(Underway(sent.lane, sent.identity, sent.channel_id, sent.text))
    with pytest.raises(ToolError) as refused:
        arrived(waiting.state, tool_context(post))
    return str(refused.value)


# -- the table -----------------------------------------------------------------------------------


def test_every_code_of_discords_documentation_has_its_row() -> None:
    from bench.openapi import reference

    path = reference("facts.md")
    assert path is not None, "Discord's facts are missing: set SHOAL_DISCORD_REFERENCE to their folder"
    section = path.read_text().split("## 3. Errors")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    listed = {
        int(word)
        for row in rows
        for word in row.replace("–", " ").replace("/", " ").split()
        if word.isdigit()
    }
    assert listed - set(CODES) == set()
    assert set(TEXTS) <= set(CODES)


def test_each_row_is_a_sentence() -> None:
    for row in (*CODES.values(), *CONDITIONS.values()):
        assert row.meaning
        assert not row.fix or row.fix.endswith((".", "›")), row
    assert failure_for("discord-bad-request-50035") == CODES[50035]
    assert failure_for("discord-unauthorized") == CONDITIONS["unauthorized"]
    assert failure_for("private-final") is None


# -- by every way --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(set(TEXTS) - PASSING))
def test_a_refusal_reads_the_same_wherever_it_is_met(post: PostOffice, who: Operator, code: int) -> None:
    """Dead record, explain (text and JSON), status, the owner's notice, the model's tool, the command."""
    post.control.fault("error", route=CREATE, code=code, count=None)
    sent = die(post)
    words, fix = TEXTS[code][1].rstrip("."), CODES[code].fix
    told = {
        "dead": post.store.lanes.dead_list()[0].reason,
        "tool": told_model(post, sent),
        "status": render(collect(who.loaded, post.store)),
        "status --json": json.dumps(collect(who.loaded, post.store), ensure_ascii=False),
    }
    story = post.store.ledger.explain("default", "123")
    assert story is not None
    told |= {"explain": _story_text("123", [story]), "explain --json": _story_json("123", [story])}
    assert tell_of_the_dead(post.store, owner=Owner(lambda _account: OWNER_DM)) == 1
    (told["owner"],) = notices(post, OWNER_DM)
    with pytest.raises(ShoalError) as failed:
        run(who, post, "send", message="x")
    told["shoal message"] = str(failed.value)
    for way, text in told.items():
        assert fix in text.replace('\\"', '"'), (way, text)
        if code not in (50007, 50278, 50013, 50001):  # these have words of their own
            assert words in text, (way, text)
        assert str(code) in text, (way, text)


@pytest.mark.parametrize("code", sorted(PASSING))
def test_what_passes_is_told_in_the_log_and_tried_again(post: PostOffice, code: int) -> None:
    post.control.fault("error", route=CREATE, code=code, count=1)
    post.push(post.request("late"))
    step = post.work()
    assert isinstance(step, Yield | Fail), step
    if isinstance(step, Fail):
        assert (CODES[code].fix or CONDITIONS["server-error"].fix) in step.reason
    while post.store.lanes.depth(post.request().lane):
        post.work()
    assert post.sent() == ["late"]
    assert not post.store.lanes.dead_list()


def run(who: Operator, post: PostOffice, *words: str, **values: Any) -> None:
    """One line of ``shoal message --json``, without a fleet; it ends as the command does."""
    line = next(one for one in COMMANDS if one.words == words)
    try:
        run_line(
            line, {"target": f"channel:{post.channel}", **values}, channel="discord", account=None,
            dry_run=False, config=None, state_dir=who.loaded.state_dir, as_json=True, verbose=False,
        )  # fmt: skip
    except ShoalError as error:
        print_failure(error)
        raise


def test_the_command_says_it_to_programs_too(
    post: PostOffice, who: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    post.control.fault("error", route=CREATE, code=200000)
    with pytest.raises(ShoalError):
        run(who, post, "send", message="x")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["ok"] is False
    assert (told["error"]["status"], told["error"]["discordCode"]) == (400, 200000)
    assert told["error"]["fix"] == CODES[200000].fix


WITHOUT_CODE: list[tuple[Json, str]] = [
    ({"status": 401, "body": {"message": "401: Unauthorized", "code": 0}}, "unauthorized"),
    ({"status": 503, "body": {"message": "overloaded", "code": 0}}, "server-error"),
    ({"status": 502, "html": True}, "server-error"),
    ({"status": 429, "html": True}, "address-banned"),
    ({"status": 403, "html": True}, "web-page"),
    ({"status": 413, "body": {"message": "Payload Too Large", "code": 0}}, "too-large"),
    ({"status": 404, "body": {"message": "404: Not Found", "code": 0}}, "not-found"),
    ({"status": 302, "body": {"message": "moved"}}, "redirect"),
]


@pytest.mark.parametrize(("fault", "condition"), WITHOUT_CODE, ids=lambda value: str(value)[:40])
def test_what_has_no_code_has_its_sentence(
    post: PostOffice, who: Operator, fault: Json, condition: str
) -> None:
    """Delivery, tool and command."""
    fix = CONDITIONS[condition].fix
    post.control.fault("status", count=None, **{"route": CREATE, **fault})
    post.push(post.request())
    step = post.work()
    assert fix in (step.reason if isinstance(step, Fail) else str(step)), step
    with pytest.raises(ShoalError) as failed:
        run(who, post, "send", message="x")
    assert fix in str(failed.value)
    post.control.clear_faults()
    post.control.fault("status", count=None, route="GET /channels/{channel_id}/messages", **fault)
    with pytest.raises(ToolError) as refused:
        act(post)("read")
    assert fix in str(refused.value)


def act(post: PostOffice) -> Callable[..., Any]:
    """Actions of the message tool in the post office's channel, for an owner of the bot."""
    context = ActionContext("default", post.rest, post.store.facts, channel_id=post.channel, by_owner=True)
    gates = dict.fromkeys(
        ("messages", "threads", "pins", "reactions", "permissions", "channels", "channelInfo", "memberInfo"),
        True,
    )
    acting = DiscordActions(lambda _account: gates, lambda _request, _joined: context)

    def call(action: str, /, **values: Any) -> Any:
        return acting.run(action, values, tool_context(post))

    return call


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(ShoalError) as failed:
        call()
    return str(failed.value)


# -- what Discord refuses by itself --------------------------------------------------------------


@pytest.mark.usefixtures("wrong_requests")
def test_conditions_of_their_own(post: PostOffice) -> None:
    """No fault: the simulated Discord finds them. One title is too long on purpose."""
    rest, channel, owner = post.rest, post.channel, post.simulator.user_id
    said = post.control.say(channel, "x")
    assert thread_on_message(rest, channel, said["id"], name="t")
    assert not thread_on_message(rest, channel, said["id"], name="t")  # 160004: found
    post.control.edit_channel(said["id"], locked=True)
    assert CODES[160005].fix in refused(lambda: rest.create_message(said["id"], nonce=None, content="x"))
    post.control.edit_channel(said["id"], locked=False, archived=True)
    own = rest.create_message(channel, nonce=None, content="own")
    assert CODES[50083].fix in refused(lambda: rename_channel(rest, said["id"], "other"))
    assert CODES[10008].fix in refused(lambda: rest.edit_message(channel, "123456", content="x"))
    assert CODES[10004].fix in refused(lambda: rest.get_guild("123456"))
    wide = refused(lambda: rest.edit_message(channel, own["id"], embeds=[{"title": "x" * 300}]))
    assert "embeds[0].title: Must be 256 or fewer in length." in wide
    post.control.edit_user(owner, dms=False)
    dm = rest.create_dm(owner)["id"]
    closed = refused(lambda: rest.create_message(dm, nonce=None, content="x"))
    post.control.edit_user(owner, dms=True)
    assert "user blocks dms or privacy settings disallow it (code=50007)" in closed
    assert CODES[50007].fix in closed


def test_answers_to_interactions(post: PostOffice) -> None:
    """10062 and 40060."""
    calls = InteractionCalls(post.rest)
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "x"}]}
    card = post.rest.create_message(post.channel, nonce=None, content="card", components=[row])
    click = post.control.click(post.channel, card["id"], "x")
    calls.create_interaction_response(click["id"], click["token"], type=6)
    again = refused(lambda: calls.create_interaction_response(click["id"], click["token"], type=6))
    assert CODES[40060].fix in again
    gone = refused(lambda: calls.create_interaction_response("123456", "nothing", type=6))
    assert CODES[10062].fix in gone


def test_a_wrong_token_is_told(post: PostOffice) -> None:
    wrong = SecretStr(post.simulator.token + "x")
    transport = Transport("default", wrong, limiter=Unlimited(), api_url=post.simulator.api_url)
    rest = Rest(transport, retry=NO_RETRY)
    assert CONDITIONS["unauthorized"].fix in refused(rest.get_current_user)
    transport.close()


def test_a_bare_number_that_is_no_channel_may_be_a_user(
    post: PostOffice, who: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """``spec/outbound.md`` 11 row 22: for models and for people; not where the kind was said."""
    user = post.simulator.user_id
    with pytest.raises(ToolError) as tool:
        act(post)("read", target=user)
    assert f"user:{user}" in str(tool.value)
    with pytest.raises(ShoalError) as command:
        run(who, post, "send", message="x", target=user)
    assert f"user:{user}" in str(command.value)
    assert f"user:{user}" in json.loads(capsys.readouterr().out)["error"]["fix"]
    with pytest.raises(ShoalError) as said:
        run(who, post, "send", message="x", target=f"channel:{user}")
    assert "user:" not in str(said.value)


# -- permissions ---------------------------------------------------------------------------------


class Reef(NamedTuple):
    """A guild in which the bot has only what its one role is given."""

    guild: str
    role: str
    control: Control

    def give(self, *bits: int) -> None:
        self.control.edit_role(self.guild, self.role, permissions=sum(1 << bit for bit in bits))


@pytest.fixture
def reef(post: PostOffice) -> Reef:
    """The post office moves there."""
    owner = str(post.control.add_user("owner")["id"])
    guild = str(post.control.add_guild("Reef", owner=owner, members=[post.simulator.bot_id])["id"])
    post.control.edit_role(guild, guild, permissions=0)
    role = str(post.control.add_role(guild, "bots", permissions=0)["id"])
    post.control.edit_member(guild, post.simulator.bot_id, roles=[role])
    post.channel = str(post.control.add_channel(guild, "talk")["id"])
    return Reef(guild, role, post.control)


VIEW, SEND, ATTACH, READ, REACT = 10, 11, 15, 16, 6


def test_missing_permissions_are_named_for_what_was_tried(
    post: PostOffice, reef: Reef, who: Operator
) -> None:
    reef.give(VIEW)
    assert "discord missing permissions in channel" in refused(lambda: run(who, post, "send", message="x"))
    assert ": Send Messages (code=50013 status=403)" in refused(lambda: run(who, post, "send", message="x"))
    assert ": Pin Messages (" in refused(lambda: act(post)("pin", messageId="1234567"))
    assert "Manage Channels" in refused(lambda: act(post)("channel-edit", channelId=post.channel, name="x"))
    reef.give()
    assert "View Channel" in refused(lambda: run(who, post, "send", message="x"))
    assert "View Channel" in refused(lambda: act(post)("read"))


def test_a_place_that_refuses_us_is_known_after_the_first_time(
    post: PostOffice, reef: Reef, who: Operator
) -> None:
    """One dead record and one word to the owner; the others end with the same reason, without a request."""
    reef.give(VIEW)
    first = die(post)
    before = len(post.creates())
    (dead,) = post.store.lanes.dead_list()
    assert "Send Messages" in dead.reason
    second = post.push(post.request("two", step="two"))
    assert isinstance(post.work(), Commit)
    assert len(post.creates()) == before
    assert len(post.store.lanes.dead_list()) == 1
    for sent in (first, second):
        assert "Send Messages" in told_model(post, sent)
    owner = Owner(lambda _account: OWNER_DM)
    assert tell_of_the_dead(post.store, owner=owner) == 1
    (told,) = notices(post, OWNER_DM)
    assert f"<#{post.channel}>" in told
    assert "Send Messages" in told
    status = render(collect(who.loaded, post.store))
    assert f"Refused    default, channel {post.channel}" in status


def test_it_is_tried_again_once_something_changes(post: PostOffice, reef: Reef) -> None:
    reef.give(VIEW)
    post.store.facts.put_channel("default", {"id": post.channel, "type": 0}, reef.guild)
    die(post)
    assert post.channel in refusals(post.store, "default")
    reef.give(VIEW, SEND)
    post.send("still known", step="2")
    assert post.sent() == []
    post.store.facts.put_roles("default", reef.guild, [{"id": reef.role, "permissions": "3072"}])
    post.send("again", step="3")
    assert post.sent() == ["again"]
    assert refusals(post.store, "default") == {}


def test_a_time_out_is_told_with_its_end(post: PostOffice, reef: Reef) -> None:
    reef.give(VIEW, SEND, READ)
    until = "2099-01-01T00:00:00+00:00"
    post.control.edit_member(reef.guild, post.simulator.bot_id, communication_disabled_until=until)
    die(post)
    (dead,) = post.store.lanes.dead_list()
    assert "the bot is in time-out until 2099-01-01" in dead.reason
    assert post.channel in refusals(post.store, "default")


def test_a_refusal_of_one_message_is_not_one_of_the_place(post: PostOffice) -> None:
    """AutoMod; and a 403 although the permissions look complete."""
    for code in (200000, 50013):
        post.control.fault("error", route=CREATE, code=code, count=1)
        die(post)
    assert refusals(post.store, "default") == {}
    post.send("fine", step="fine")
    assert post.sent() == ["fine"]


# -- who hears of it, and how often --------------------------------------------------------------


def test_the_owner_hears_of_one_reason_in_one_channel_once(post: PostOffice) -> None:
    owner = Owner(lambda _account: OWNER_DM, "zh")
    for code in (200000, 200000, 240000):
        post.control.fault("error", route=CREATE, code=code, count=1)
        die(post)
    assert tell_of_the_dead(post.store, owner=owner) == 3
    told = notices(post, OWNER_DM)
    assert len(told) == 2
    assert "未能送达" in told[0]


def test_a_room_hears_once_that_there_was_an_answer(post: PostOffice) -> None:
    """Only where the message was at fault; details are the owner's (row 29)."""
    for code in (200000, 240000, 50013):
        post.control.fault("error", route=CREATE, code=code, count=1)
        die(post)
    tell_of_the_dead(post.store)
    (told,) = notices(post, post.channel)
    assert "Discord did not take it" in told
    assert "AutoMod" not in told


def test_what_may_have_arrived_is_not_called_undelivered(post: PostOffice) -> None:
    """A post whose answer was lost, and which nobody has seen."""
    send = post.push(post.request("title", post=True, guild_id=post.simulator.guild_id))
    grant = post.take()
    post.store.lanes.fail(grant, Failure.HANDLED, code="post-unknown", reason="It may exist.", delay_ms=0)
    while post.store.lanes.depth(send.lane):
        post.store.lanes.fail(
            post.take(), Failure.HANDLED, code="post-unknown", reason="It may exist.", delay_ms=0
        )
    tell_of_the_dead(post.store, owner=Owner(lambda _account: OWNER_DM))
    (told,) = notices(post, OWNER_DM)
    assert "may have arrived or not. It may exist." in told


def test_who_cannot_be_reached_is_not_told_that(post: PostOffice) -> None:
    """A notice to the owner that dies makes no further notice."""
    post.control.fault("error", route=CREATE, code=200000, count=1)
    die(post)
    owner = Owner(lambda _account: post.channel)
    assert tell_of_the_dead(post.store, owner=owner) == 1
    assert len(notices(post, post.channel)) == 1  # the room's


def test_a_file_that_is_too_large_leaves_its_text(
    post: PostOffice, who: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``spec/outbound.md`` 11 row 20: text with a notice; the command says how large files may be."""
    post.control.configure(file_limit=10)
    (tmp_path / "big.txt").write_text("x" * 100)
    run(who, post, "send", message="see this", media=str(tmp_path / "big.txt"))
    post.control.configure(file_limit=10 * 1024 * 1024)
    assert post.sent() == ["see this\n\n[Attachment skipped: Discord rejected the file as too large.]"]
    assert "up to 10 MB" in json.loads(capsys.readouterr().out.splitlines()[-1])["payload"]["warning"]

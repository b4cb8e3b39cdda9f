"""Conversations through a real fleet: routing, threads, queueing, stops, outages (``spec/inbound.md`` 5)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store

pytestmark = pytest.mark.slow

AGENTS = ("main", "builder", "critic")


class Town:
    """A fleet with three agents, of which roles choose two; its store, to look at outcomes quickly."""

    def __init__(self, folder: Path, more: dict[str, Any] | None = None) -> None:
        self.fleet = FleetUnderTest(folder, more)
        self.fleet.configure = self._configure
        self.fleet.start()
        self.control, self.models = self.fleet.control, self.fleet.models
        self.store = Store.open(EmbeddedServer(self.fleet.state_dir).url(), client_name="test")
        self.mention = f"<@{self.fleet.bot['id']}>"

    def _configure(self, fleet: FleetUnderTest) -> dict[str, Any]:
        guild = str(fleet.guild["id"])
        self.roles = {name: fleet.control.add_role(guild, name)["id"] for name in AGENTS[1:]}
        self.people = {"main": fleet.person["id"]}
        for name, role in self.roles.items():
            person = fleet.control.add_user(f"{name}-person", guilds=[guild])["id"]
            fleet.control.edit_member(guild, person, roles=[role])
            self.people[name] = person
        bindings = [
            {"agentId": name, "match": {"channel": "discord", "guildId": guild, "roles": [role]}}
            for name, role in self.roles.items()
        ]
        entry = {"users": list(self.people.values()), "requireMention": True}
        models = [{"id": name, "name": name} for name in (*AGENTS, "second")]
        return {
            "channels": {"discord": {"guilds": {guild: entry}}},
            "messages": {"visibleReplies": "automatic", "groupChat": {"visibleReplies": "automatic"}},
            "models": {"providers": {"local": {"models": models}}},
            "agents": {
                "defaults": {"model": {"primary": "local/main", "fallbacks": []}},
                "list": [{"id": name, "model": f"local/{name}"} for name in AGENTS],
            },
            "bindings": bindings,
            "commands": {"ownerAllowFrom": [f"discord:{fleet.person['id']}"]},
        }

    def say(self, text: str, *, channel: str = "general", who: str = "main") -> dict[str, Any]:
        return self.control.say(channel, f"{self.mention} {text}", user=self.people[who])

    def answers(self, channel: str, after: str) -> list[str]:
        return [message["content"] for message in self.fleet.bot_messages(channel, after)]

    def answer(self, channel: str, after: str, timeout: float = 40) -> str:
        found = self.control.wait_for_message(channel, after=after, timeout=timeout)
        return str(found["content"])

    def outcome(self, message: dict[str, Any], timeout: float = 40.0) -> tuple[str, str]:
        """(outcome, reason), once there is one."""

        def look() -> tuple[str, str] | None:
            told = self.store.ledger.explain("default", message["id"])
            return (str(told.outcome), told.reason) if told is not None and told.outcome else None

        return self.until(look, f"outcome of {message['id']}", timeout)

    def until(self, look: Callable[[], Any], what: str, timeout: float = 40.0) -> Any:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no {what}\n{self.fleet.said()}")

    def command(self, text: str, told: str) -> None:
        """A text command in the channel, without a mention, and its answer."""
        said = self.control.say("general", text, user=self.people["main"])
        self.until(lambda: any(told in each for each in self.answers("general", said["id"])), told)
        assert self.outcome(said)[0] == "command"

    def asked(self, word: str) -> list[dict[str, Any]]:
        """Requests to the models whose last user message has the word."""
        return [each for each in self.models.requests() if word in json.dumps(each)]

    def close(self) -> None:
        self.store.close()
        self.fleet.stop()


@pytest.fixture
def make_town(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    made: list[Town] = []

    def make(more: dict[str, Any] | None = None) -> Town:
        made.append(Town(tmp_path, more))
        return made[-1]

    yield make
    for town in made:
        town.close()


@pytest.mark.timeout(400)
def test_conversations_in_a_guild_with_three_agents(make_town: Callable[..., Town]) -> None:
    """One fleet for all of it."""
    town = make_town()
    _roles_choose_the_agent(town)
    _a_thread_has_its_parents_model_and_is_told_how_it_began(town)
    _a_message_steers_a_running_turn(town)
    _a_stop_stops_within_two_seconds(town)
    _what_gathers_is_answered_at_once(town)
    _the_newest_interrupts(town)
    _a_new_session_remembers_nothing(town)


def _roles_choose_the_agent(town: Town) -> None:
    town.models.script(
        [{"model": name, "match": "who are you", "text": [f"I am {name}."]} for name in AGENTS]
    )
    for name in AGENTS:
        said = town.say("who are you?", who=name)
        assert town.answer("general", said["id"]) == f"I am {name}."
        assert town.outcome(said)[0] == "answered"
        notes = dict(town.store.ledger.explain("default", said["id"]).notes)  # type: ignore[union-attr]
        assert notes["session"].startswith(f"agent:{name}:discord:channel:")


def _a_thread_has_its_parents_model_and_is_told_how_it_began(town: Town) -> None:
    """The config of the channel too: the same people are let in, the same agent answers."""
    town.models.script([{"match": "and the colour", "text": ["Blue."]}])
    starter = town.control.say("general", "let us paint the fence", user=town.people["builder"])
    thread = town.control.create_thread("general", "fence", message=starter["id"])
    said = town.say("and the colour?", channel=thread["id"], who="builder")
    assert town.answer(thread["id"], said["id"]) == "Blue."
    [asked] = town.asked("and the colour")
    assert "let us paint the fence" in json.dumps(asked)
    assert asked["body"]["model"] == "builder"
    assert town.store.sessions.get(f"agent:builder:discord:channel:{thread['id']}")


def _a_message_steers_a_running_turn(town: Town) -> None:
    call = {"name": "message", "arguments": {"action": "send", "message": "On it."}}
    town.models.script(
        [
            {"match": "start the work", "times": 1, "delay": 3.0, "tool_calls": [call]},
            {"match": "with a roof", "text": ["A house with a roof."]},
        ]
    )
    first = town.say("start the work")
    town.until(lambda: town.asked("start the work"), "request")
    second = town.say("with a roof")
    assert town.outcome(first)[0] == "answered"
    assert town.outcome(second) == ("steered", f"into.{first['id']}")
    assert town.answers("general", second["id"]) == ["On it.", "A house with a roof."]


def _a_stop_stops_within_two_seconds(town: Town) -> None:
    town.models.script([{"match": "a long story", "text": ["word "] * 600, "chunk_delay": 0.1}])
    story, waiting = town.say("a long story"), None
    town.until(lambda: town.asked("a long story"), "request")
    waiting = town.control.say("general", f"{town.mention} and then", user=town.people["main"])
    time.sleep(1.0)
    stop = town.say("stop!")
    began = time.monotonic()
    assert town.outcome(story) == ("stopped", "stopped")
    assert time.monotonic() - began < 2.0
    assert town.outcome(stop) == ("control", "stop")
    assert town.outcome(waiting)[0] in ("stopped", "steered")
    town.until(lambda: "⚙️ Agent was aborted." in town.answers("general", stop["id"]), "notice")
    time.sleep(1.0)
    assert not [text for text in town.answers("general", story["id"]) if "word" in text]


def _what_gathers_is_answered_at_once(town: Town) -> None:
    town.command("/queue collect debounce:1s", "collect, debounce 1000 ms")
    town.models.script(
        [
            {"match": "slow question", "delay": 3.0, "text": ["Slow answer."]},
            {"match": "third thing", "text": ["All three."]},
        ]
    )
    slow = town.say("slow question")
    town.until(lambda: town.asked("slow question"), "request")
    later = [town.say(f"{number} thing") for number in ("first", "second", "third")]
    assert town.outcome(later[0])[0] == "answered"
    assert [town.outcome(each) for each in later[1:]] == [("merged", f"into.{later[0]['id']}")] * 2
    assert town.answers("general", slow["id"]) == ["Slow answer.", "All three."]
    assert "[Queued #3 of 3" in json.dumps(town.asked("third thing")[-1])
    town.command("/queue default", "cleared")


def _the_newest_interrupts(town: Town) -> None:
    town.command("/queue interrupt", "interrupt, debounce")
    town.models.script(
        [
            {"match": "old idea", "text": ["old "] * 600, "chunk_delay": 0.1},
            {"match": "new idea", "text": ["The new one."]},
        ]
    )
    old = town.say("old idea")
    town.until(lambda: town.asked("old idea"), "request")
    new = town.say("new idea")
    assert town.outcome(new)[0] == "answered"
    assert town.outcome(old)[0] == "stopped"
    assert town.answers("general", new["id"])[-1] == "The new one."
    town.command("/queue default", "cleared")


def _a_new_session_remembers_nothing(town: Town) -> None:
    town.models.script([{"match": "fresh start", "text": ["Hello."]}])
    said = town.say("/new fresh start please")
    assert town.outcome(said)[0] == "answered"
    asked = town.asked("fresh start")[-1]
    assert "who are you" not in json.dumps(asked)


@pytest.mark.timeout(300)
def test_a_thread_of_its_own_survives_its_worker(make_town: Callable[..., Town]) -> None:
    """autoThread (5.7): the worker that made the thread is killed before it answers."""
    entry = {"channels": {"general": {"autoThread": True, "requireMention": True}}}
    town = make_town()
    town.fleet.down()
    config = json.loads(town.fleet.config_path.read_text())
    guild = config["channels"]["discord"]["guilds"][str(town.fleet.guild["id"])]
    guild.update(entry)
    town.fleet.config_path.write_text(json.dumps(config))
    town.fleet.up()
    town.fleet.wait_online()
    town.models.script([{"match": "plan the party", "delay": 3.0, "text": ["Cake first."]}])
    said = town.say("plan the party")
    town.until(lambda: town.asked("plan the party"), "request")
    for pid in town.fleet.pids("worker", "turns"):
        os.kill(pid, signal.SIGKILL)
    thread = town.until(
        lambda: [each for each in town.control.state()["channels"] if each["id"] == said["id"]], "thread"
    )[0]
    assert (thread["name"], thread["type"]) == ("plan the party", 11)
    assert town.answer(said["id"], "0", timeout=60) == "Cake first."
    assert town.outcome(said)[0] == "answered"
    time.sleep(1.5)
    assert town.answers(said["id"], "0") == ["Cake first."]
    assert town.answers("general", said["id"]) == []
    assert len([each for each in town.control.state()["channels"] if each["type"] == 11]) == 1


@pytest.mark.timeout(400)
def test_what_was_missed_in_an_outage_is_answered_once_and_in_order(make_town: Callable[..., Town]) -> None:
    """Discord does not let the gateway in, and forgets its session meanwhile (5, rule R19)."""
    town = make_town()
    town.models.script([{"match": f"number {n}", "text": [f"Answer {n}."]} for n in range(4)])
    warm = town.control.dm("number 0")
    assert town.answer(warm["channel_id"], warm["id"]) == "Answer 0."
    before = town.say("number 0")
    assert town.outcome(before)[0] == "answered"
    fault = town.control.fault("gateway_refuse", count=None)
    town.control.gateway("cut")
    town.until(lambda: not any(each["connected"] for each in town.control.sessions()), "end of the session")
    town.control.gateway("forget")
    missed = [town.say(f"number {number}") for number in (1, 2, 3)]
    time.sleep(60)
    town.control.remove_fault(fault["id"])
    for message in missed:
        assert town.outcome(message, timeout=150)[0] in ("answered", "merged", "steered")
    time.sleep(2)
    said = [text for text in town.answers("general", missed[0]["id"]) if text.startswith("Answer")]
    assert said
    assert said == sorted(set(said)), "in order, and none twice"
    told = town.until(
        lambda: [text for text in town.answers(warm["channel_id"], warm["id"]) if text.startswith("⚙️ Back")],
        "line to the owner",
    )
    assert len(told) == 1
    assert "3 missed message(s)" in told[0]

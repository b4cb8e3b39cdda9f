"""``shoal pairing`` on the real command (spec/inbound.md 3.3, outbound.md 10): fleet running or stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shoal.base.ids import new_token
from shoal.state.effects import Pair, PairReply
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from tests.cli.helpers import Shoal
from tests.state.support import MESSAGE
from workers.delivery.records import decode_send

pytestmark = pytest.mark.waits

ANN, BOB = "101", "102"
TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"


class Seeded:
    """A state dir with a config and strangers who wait; the server can be stopped and started."""

    def __init__(self, shoal: Shoal) -> None:
        self.shoal = shoal
        self.config = shoal.state_dir / "shoal.json"
        shoal.state_dir.mkdir()
        self.write({"channels": {"discord": {"token": TOKEN, "accounts": {"work": {"token": TOKEN + "x"}}}}})
        self.server = EmbeddedServer(shoal.state_dir)
        self.start()

    def write(self, config: object) -> None:
        self.config.write_text(config if isinstance(config, str) else json.dumps(config))

    def start(self) -> None:
        self.server.start()
        self.store = Store.open(self.server.url(), client_name="test")

    def stop(self) -> None:
        self.store.close()
        self.server.stop()

    def knock(self, sender: str, code: str, account: str = "default") -> None:
        lane = f"inbound:{account}:{sender}"
        message = str(int(MESSAGE) + int(sender))
        self.store.lanes.push(lane, Record("m", "MESSAGE_CREATE", b"{}"))
        grant = self.store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant)
        meta = json.dumps({"name": f"User {sender}", "tag": f"user{sender}", "channel": f"7{sender}"})
        notice = Record(f"notice.{sender}", "send", b"{}")
        pair = Pair(account, sender, meta, message, f"delivery:{account}:7{sender}", notice, codes=(code,))
        failed = PairReply(account, sender, notice.identity, "failed:discord-dm-blocked-50007")
        self.store.lanes.checkpoint(grant, 1, [pair])
        self.store.lanes.commit(grant, [failed] if sender == BOB else [], take_next=False)

    def run(self, line: str, code: int = 0) -> str:
        done = self.shoal.run(*line.split())
        assert done.returncode == code, (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def json(self, line: str) -> dict[str, object]:
        done = self.shoal.run(*line.split(), "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


@pytest.fixture
def seeded(shoal: Shoal) -> Iterator[Seeded]:
    made = Seeded(shoal)
    yield made
    made.store.close()
    made.server.stop()


def test_the_lines_of_the_manuals_work(seeded: Seeded) -> None:
    """002: ``pairing list discord``, ``pairing approve discord <CODE>``; 004 has the latter too."""
    seeded.knock(ANN, "ABCDEFGH")
    said = seeded.run("pairing list discord")
    assert all(word in said for word in ("ABCDEFGH", ANN, "User 101 (user101)", "default", "0 min ago"))
    said = seeded.run("pairing approve discord ABCDEFGH")
    assert "Approved User 101 (user101) (101) on account default" in said
    assert seeded.store.pairing.has("default", ANN)
    assert "No pairing requests pending." in seeded.run("pairing list discord")
    assert "101" in seeded.run("pairing list")


def test_every_form_of_the_arguments(seeded: Seeded) -> None:
    for number, line in enumerate(
        (
            "pairing approve abcd-efgh",
            "pairing approve --channel discord ABCDEFGH",
            "pairing approve Discord ABCDEFGH --account default",
        )
    ):
        seeded.knock(str(200 + number), "ABCDEFGH")
        seeded.run(line)
        assert seeded.store.pairing.has("default", str(200 + number))
    for line in (
        "pairing list telegram",
        "pairing list --channel telegram",
        "pairing list discord discord",
        "pairing approve",
        "pairing approve discord",
        "pairing approve telegram ABCDEFGH",
        "pairing approve discord ABCDEFG0",
        "pairing approve discord ABCDEFGH --account nobody",
        "pairing revoke discord steipete",
        "pairing revoke discord *",
    ):
        assert seeded.run(line, 2), line


def test_homoglyphs_are_no_codes_and_no_guesses(seeded: Seeded) -> None:
    seeded.knock(ANN, "ABCDEFGH")
    for _ in range(6):
        done = seeded.shoal.run("pairing", "approve", "discord", "АBCDEFGH")
        assert done.returncode == 2
    seeded.run("pairing approve discord ABCDEFGH")


def test_a_blank_account_is_refused(seeded: Seeded) -> None:
    done = seeded.shoal.run("pairing", "approve", "discord", "ABCDEFGH", "--account", "")
    assert done.returncode == 2
    assert "--account is empty" in done.stderr


def test_wrong_codes_say_what_to_do_and_lock(seeded: Seeded) -> None:
    seeded.knock(ANN, "ABCDEFGH")
    for _ in range(5):
        assert "See `shoal pairing list`" in seeded.run("pairing approve discord ZZZZZZZZ", 1)
    assert "locked" in seeded.run("pairing approve discord ABCDEFGH", 75)


def test_json_has_what_programs_need(seeded: Seeded) -> None:
    seeded.knock(ANN, "ABCDEFGH")
    seeded.knock(BOB, "BCDEFGHJ", "work")
    listed = seeded.json("pairing list")
    assert listed["channel"] == "discord"
    requests = listed["requests"]
    assert isinstance(requests, list)
    assert [(each["id"], each["code"], each["account"]) for each in requests] == [
        (ANN, "ABCDEFGH", "default"),
        (BOB, "BCDEFGHJ", "work"),
    ]
    assert [each["id"] for each in seeded.json("pairing list --account work")["requests"]] == [BOB]  # type: ignore[attr-defined]
    done = seeded.json("pairing approve discord ABCDEFGH")
    assert (done["account"], done["id"], done["owner"], done["ownerStoredIn"]) == (
        "default",
        ANN,
        True,
        "config",
    )
    assert [each["owner"] for each in seeded.json("pairing list")["approved"]] == [True]  # type: ignore[attr-defined]
    gone = seeded.json("pairing revoke discord 101")
    assert (gone["approved"], gone["waiting"], gone["owner"]) == (True, False, True)


def test_it_works_while_nothing_runs_and_leaves_nothing_running(seeded: Seeded) -> None:
    seeded.knock(ANN, "ABCDEFGH")
    seeded.stop()
    assert "ABCDEFGH" in seeded.run("pairing list")
    assert EmbeddedServer(seeded.shoal.state_dir).running_pid() is None
    seeded.run("pairing approve discord ABCDEFGH --notify")
    assert EmbeddedServer(seeded.shoal.state_dir).running_pid() is None
    seeded.start()
    assert seeded.store.pairing.has("default", ANN)
    waiting = seeded.store.lanes.acquire(f"delivery:default:7{ANN}", new_token())
    assert isinstance(waiting, Grant)  # the reply itself, then the good news


def test_notify_tells_the_requester(seeded: Seeded) -> None:
    seeded.knock(ANN, "ABCDEFGH")
    lane = f"delivery:default:7{ANN}"
    assert "told in Discord" in seeded.run("pairing approve discord ABCDEFGH --notify")
    first = seeded.store.lanes.acquire(lane, new_token())
    assert isinstance(first, Grant)
    following = seeded.store.lanes.commit(first)
    assert following is not None
    send = decode_send(following.head.body)
    assert "approved" in send.text
    assert send.channel_id == f"7{ANN}"


def test_the_first_owner_is_written_into_the_file_with_its_comments(seeded: Seeded) -> None:
    seeded.write(f'// mine\n{{\n  channels: {{ discord: {{ token: "{TOKEN}" }} }}, // all of it\n}}\n')
    seeded.knock(ANN, "ABCDEFGH")
    said = seeded.run("pairing approve discord ABCDEFGH")
    assert "They own the bot now" in said
    text = seeded.config.read_text()
    assert 'commands: { ownerAllowFrom: ["discord:101"] },' in text
    assert "// mine" in text
    assert "// all of it" in text
    assert "ownerAllowFrom" not in seeded.config.with_name("shoal.json.bak").read_text()
    seeded.knock(BOB, "BCDEFGHJ")
    assert "own" not in seeded.run("pairing approve discord BCDEFGHJ")
    said = seeded.run("pairing revoke discord 101")
    assert "commands.ownerAllowFrom still names them" in said


def test_an_owner_that_cannot_be_written_is_kept_and_said(seeded: Seeded) -> None:
    (seeded.shoal.state_dir / "more.json").write_text('{"commands": {"restart": false}}')
    seeded.write(f'{{ $include: "more.json", channels: {{ discord: {{ token: "{TOKEN}" }} }} }}')
    before = seeded.config.read_text()
    seeded.knock(ANN, "ABCDEFGH")
    said = seeded.run("pairing approve discord ABCDEFGH")
    assert "kept in Redis" in said
    assert 'ownerAllowFrom: ["discord:101"]' in said
    assert seeded.config.read_text() == before
    owner = seeded.store.pairing.first_owner()
    assert owner is not None
    assert owner.sender == ANN


def test_an_owner_of_the_config_stays_the_owner(seeded: Seeded) -> None:
    seeded.write({"channels": {"discord": {"token": TOKEN}}, "commands": {"ownerAllowFrom": ["discord:5"]}})
    seeded.knock(ANN, "ABCDEFGH")
    assert "own" not in seeded.run("pairing approve discord ABCDEFGH")
    assert seeded.store.pairing.first_owner() is None


def test_an_approval_without_effect_says_so(seeded: Seeded) -> None:
    seeded.write({"channels": {"discord": {"token": TOKEN, "dmPolicy": "allowlist", "allowFrom": [ANN]}}})
    seeded.knock(BOB, "ABCDEFGH")
    assert "approvals need 'pairing'" in seeded.run("pairing approve discord ABCDEFGH")
    seeded.store.pairing.take_over("m", "default", [ANN])
    assert "allowFrom still names them" in seeded.run("pairing revoke <@101>")


def test_someone_known_to_two_accounts_wants_the_account_named(seeded: Seeded) -> None:
    for account in ("default", "work"):
        seeded.store.pairing.take_over(f"m.{account}", account, [ANN])
    assert "work, default" in seeded.run("pairing revoke discord 101", 2)
    seeded.run("pairing revoke discord 101 --account work")
    assert seeded.store.pairing.has("default", ANN)
    assert not seeded.store.pairing.has("work", ANN)
    seeded.run("pairing revoke discord 101")
    assert "was not approved" in seeded.run("pairing revoke discord 101", 1)


def test_a_reply_that_failed_shows_in_list_and_status(seeded: Seeded) -> None:
    """Decision 47: the switch is named where the DM does not come."""
    seeded.knock(BOB, "ABCDEFGH")
    said = seeded.run("pairing list")
    assert "FAILED (discord-dm-blocked-50007)" in said
    assert "Direct Messages in the Privacy Settings" in said
    said = seeded.run("status")
    assert "1 waiting" in said
    assert "User 102 (user102) (102) could not be delivered: discord-dm-blocked-50007" in said
    assert "ABCDEFGH" not in said
    assert "ABCDEFGH" not in seeded.shoal.run("status", "--json").stdout


def test_an_empty_list_names_the_switch(seeded: Seeded) -> None:
    assert "Privacy Settings → Direct Messages" in seeded.run("pairing list")


def test_files_of_openclaw_are_taken_over(seeded: Seeded) -> None:
    folder = seeded.shoal.state_dir / "credentials"
    folder.mkdir()
    (folder / "discord-allowFrom.json").write_text('{"version": 1, "allowFrom": ["101", "*"]}')
    moment = (datetime.now(UTC) - timedelta(minutes=3)).isoformat()
    request = {"id": "102", "code": "BCDEFGHJ", "createdAt": moment, "meta": {"tag": "bob"}}
    (folder / "discord-pairing.json").write_text(json.dumps({"version": 1, "requests": [request]}))
    said = seeded.run("pairing list")
    assert "1 entries are no ids and were left out: '*'" in said
    assert "BCDEFGHJ" in said
    assert "import" in said
    assert "took over" not in seeded.run("pairing list")

"""Controls of a send: alive from the moment it is out, greyed out at their end (``spec/outbound.md`` 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from shoal.base.ids import new_token
from shoal.state.effects import Push
from shoal.state.records import Grant
from shoal.state.steps import Commit
from tests.workers.delivery.conftest import CREATE, PostOffice
from tests.workers.delivery.test_files import blobs
from tests.workers.delivery.test_send import Crash, die
from workers.components.custom_ids import group_of, parse_control
from workers.components.encode import Origin
from workers.components.expiring import expire
from workers.components.sending import ComponentSettings, Made, make_components
from workers.delivery.controls import Expiry
from workers.delivery.outgoing import Raw, keep_file
from workers.delivery.records import SendRequest
from workers.delivery.render import TOO_LARGE_NOTICE

BUTTON: dict[str, Any] = {"blocks": [{"type": "actions", "buttons": [{"label": "Go"}]}]}
LIFE_MS = 60_000


def origin_of(post: PostOffice) -> Origin:
    """What makes the send of step 1."""
    return Origin(post.cause, "1", "default", post.channel, "agent:main:main", "main")


def card(post: PostOffice, life_ms: int = LIFE_MS) -> tuple[SendRequest, Made]:
    """A send with one button."""
    made = make_components(BUTTON, origin_of(post), ComponentSettings(life_ms=life_ms))
    fields: dict[str, Any] = {"components": made.components, "flags": made.flags, "controls": made.controls}
    return post.request("", **fields), made


def key_of(post: PostOffice, made: Made) -> str:
    """Where the controls of a message are remembered."""
    [row] = made.components[0]["components"]
    control = parse_control(row["components"][0]["custom_id"])
    assert control is not None
    return post.store.keys.controls("default", str(group_of(control.component)))


def once_begun(post: PostOffice, made: Made) -> Callable[[], None]:
    """An ``alive`` that ends the process when the controls are there, before anything went out."""

    def alive() -> None:
        if post.store.redis.exists(key_of(post, made)):
            raise Crash

    return alive


def end_of(post: PostOffice, step: Commit) -> Push:
    """The record that will grey them out."""
    [push] = [one for one in step.effects if isinstance(one, Push) and one.record.kind == "controls-end"]
    return push


def grey(post: PostOffice, push: Push) -> str:
    """What becomes of that record when it is due."""
    post.store.lanes.push("reaction:default:now", push.record)
    grant = post.store.lanes.acquire("reaction:default:now", new_token())
    assert isinstance(grant, Grant)
    step = expire(grant, post.store, lambda _account: post.rest)
    assert isinstance(step, Commit)
    post.store.lanes.commit(grant, step.effects, take_next=False)
    return step.summary


def disabled(post: PostOffice) -> bool:
    """Whether people see the button greyed out."""
    [message] = post.control.messages(post.channel, author="bot")
    return bool(message["components"][0]["components"][0]["components"][0].get("disabled"))


def test_a_send_that_waited_longer_than_its_controls_live_has_live_ones(post: PostOffice) -> None:
    """Their time begins when people can see them; and it ends with grey buttons."""
    request, made = card(post)
    post.push(request)
    die(post, once_begun(post, made))
    key = key_of(post, made)
    assert post.store.redis.delete(key) == 1, "it was begun; then nothing, for longer than the controls live"
    sent = post.work()
    assert isinstance(sent, Commit)
    assert post.store.redis.pttl(key) > LIFE_MS - 10_000
    push = end_of(post, sent)
    assert push.delay_ms > LIFE_MS
    assert not disabled(post)
    assert grey(post, push) == "controls expired · greyed out"
    assert disabled(post)


def test_the_life_of_controls_counts_from_the_send(post: PostOffice) -> None:
    request, made = card(post)
    post.push(request)
    die(post, once_begun(post, made))
    key = key_of(post, made)
    post.store.redis.pexpire(key, 1_000)  # nearly over before it is out
    post.work()
    assert post.store.redis.pttl(key) > LIFE_MS - 10_000


def test_what_was_used_up_stays_used_up_when_the_send_is_closed(post: PostOffice) -> None:
    """Somebody pressed between the message and the commit of its send."""
    request, made = card(post)
    post.push(request)
    grant = post.take()
    control = parse_control(made.components[0]["components"][0]["components"][0]["custom_id"])
    assert control is not None
    seen: list[str] = []

    def press() -> None:
        if post.store.redis.exists(key_of(post, made)) and not seen:
            group = str(group_of(control.component))
            seen.append(post.store.controls.take("default", group, control.component, "1").how)

    post.work(grant, press)
    group = str(group_of(control.component))
    assert seen == ["taken"]
    assert post.store.controls.take("default", group, control.component, "2").how == "used"


def test_the_end_names_the_message_itself(post: PostOffice) -> None:
    """Receipts are kept a day, and controls may live as long."""
    request, _ = card(post, life_ms=86_400_000)
    post.push(request)
    sent = post.work()
    assert isinstance(sent, Commit)
    expiry = msgspec.json.decode(end_of(post, sent).record.body, type=Expiry)
    [message] = post.control.messages(post.channel, author="bot")
    assert (expiry.channel_id, expiry.message_id) == (post.channel, message["id"])


def test_several_files_go_with_the_components_that_show_them(post: PostOffice) -> None:
    """Once, in one message; and they are still shown when the button beside them is greyed out (5.2)."""
    names = ("one.png", "zwei drei.png", "log.txt")
    spec = {
        "blocks": [
            {"type": "media-gallery", "items": [{"url": f"attachment://{name}"} for name in names[:2]]},
            {"type": "file", "file": f"attachment://{names[2]}"},
            *BUTTON["blocks"],
        ]
    }
    made = make_components(spec, origin_of(post), ComponentSettings(life_ms=LIFE_MS))
    put = post.store.blobs.put
    files = tuple(keep_file(put, Raw(name.encode(), name, "text/plain")) for name in names)
    made = made.showing({file.filename: name for file, name in zip(files, names, strict=True)})
    post.push(
        post.request("", components=made.components, flags=made.flags, controls=made.controls, files=files)
    )
    sent = post.work()
    assert isinstance(sent, Commit), sent
    [message] = post.control.messages(post.channel, author="bot")
    assert [one["filename"] for one in message["attachments"]] == [file.filename for file in files]
    assert grey(post, end_of(post, sent)) == "controls expired · greyed out"
    [after] = post.control.messages(post.channel, author="bot")
    assert [one["filename"] for one in after["attachments"]] == [file.filename for file in files]
    gallery, file, row = after["components"][0]["components"]
    assert len(gallery["items"]) == 2
    assert file["type"] == 13
    assert row["components"][0]["disabled"] is True


def test_files_too_large_together_leave_the_words(post: PostOffice) -> None:
    post.control.fault("error", route=CREATE, code=40005, count=1)
    made = make_components({"text": "a", **BUTTON}, origin_of(post), ComponentSettings())
    files = blobs(post, "a.txt", "b.txt")
    made = made.showing({file.filename: "" for file in files})
    sent = post.send("words", components=made.components, flags=made.flags, files=files)
    assert isinstance(sent, Commit), sent
    [message] = post.control.messages(post.channel, author="bot")
    assert message["content"] == f"words\n\n{TOO_LARGE_NOTICE}"

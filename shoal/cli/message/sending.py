"""``shoal message send|poll|sticker|thread reply``: through the lane of a running fleet, else directly.

Both ways make the same request of it, so cuts, mentions, files and posts are as in an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shoal.base.errors import ProcessError, ShoalError
from shoal.base.exits import FAILED, USAGE
from shoal.base.foreign import read_json
from shoal.base.ids import new_token
from shoal.cli.message.cards import with_card
from shoal.cli.message.routes import said_to
from shoal.cli.message.run import Operator
from shoal.cli.message.voice import voice_file
from shoal.discord.codes import CONDITIONS
from shoal.discord.errors import DiscordError
from shoal.state.blobs import MAX_BLOB
from shoal.state.store import Store
from workers.actions.extras import Extras, check_gate, check_gates, check_voice, read_extras, reply_to_of
from workers.actions.perform import perform
from workers.actions.table import ACTIONS
from workers.delivery.creating import Calls
from workers.delivery.fate import Fate, fate_of
from workers.delivery.missing import explained, permissions_for
from workers.delivery.outgoing import MIB, Raw, fitting, keep_file, upload_limit
from workers.delivery.parts import make_part
from workers.delivery.posts import is_forum, post_problem, post_title, untitled
from workers.delivery.progress import Progress
from workers.delivery.records import PartReceipt, SendFile, SendRequest, send_record
from workers.delivery.render import DeliverySettings, plan_of
from workers.delivery.spread import file_of, is_voice
from workers.delivery.verdicts import Rejected, verdict_on
from workers.delivery.voice import VoiceWay

__all__ = ["send", "text_of"]

Json = dict[str, Any]
POLL_S = 0.1
_NEEDED = {
    "poll": "A poll needs a question and 2 to 10 answers.",
    "sticker": "At least one sticker id is required.",
}
_FLAGS = {"poll": "Give --poll-question and --poll-option for each answer.", "sticker": "Give --sticker-id."}


class Carried:
    """Files that go out from here, by the number they are named by. Where blobs are asked for."""

    def __init__(self) -> None:
        self._files: list[bytes] = []

    def put(self, data: bytes, ttl_s: int = 0) -> str:
        """Keep a file; its name."""
        del ttl_s
        self._files.append(data)
        return str(len(self._files) - 1)

    def get(self, blob_id: str) -> bytes | None:
        """The bytes of a file."""
        return self._files[int(blob_id)]


def text_of(values: Mapping[str, Any]) -> str:
    """The text; a literal ``\\n`` is a line break."""
    return str(values.get("message") or "").replace("\\n", "\n")


def send(
    values: Json, who: Operator, timeout: float, *, kind: str = "message", gate: str = "messages"
) -> Json:
    """Send a text, files, a poll or stickers; to a forum it becomes a post (2.6).

    Args:
        timeout: seconds a fleet is waited for.
        kind: ``message``, or what there must be: ``poll``, ``sticker``.
        gate: of ``channels.discord.actions``.

    Raises:
        ProcessError: nothing to send, or it was not sent.
        RequestError: a gate is closed, an argument is wrong, or a file cannot be read.
    """
    pins = _pins(values)
    extras = _extras(values, who, gate)
    text = text_of(values)
    if kind != "message" and not (extras.poll if kind == "poll" else extras.stickers):
        raise ProcessError(_NEEDED[kind], fix=_FLAGS[kind], exit_code=USAGE)
    check_voice(extras, text.strip(), components=bool(values.get("presentation")))
    if not text.strip() and not extras.any and not values.get("presentation"):
        raise ProcessError(
            "There is nothing to send.", fix="Give --message, --media or --presentation.", exit_code=USAGE
        )
    carried = Carried()
    files = _files(extras, who, carried)
    channel_id = who.channel(values.get("threadId") or values.get("target"))
    request = SendRequest(
        account=who.account.id, channel_id=channel_id, cause=f"cli.{new_token()[:16]}", step="send",
        text=text, reply_to=reply_to_of(values), reply_scope="all", files=files,
        poll=extras.poll, sticker_ids=extras.stickers, silent=extras.silent, plain=True,
    )  # fmt: skip
    channel = who.rest.get_channel(channel_id)
    request = msgspec.structs.replace(request, said=said_to(request, channel, who))
    warning = ""
    if values.get("presentation"):
        request, made = with_card(request, values["presentation"], channel, who)
        warning = extras.warning(made)
    request = _posted(request, extras, channel)
    done = _direct(request, who, carried) if who.store is None else _queued(who.store, request, timeout)
    if warning:
        done["warning"] = f"{done.get('warning', '')} {warning}".strip()
    return done | _pinned(done, who) if pins else done


def _extras(values: Json, who: Operator, gate: str) -> Extras:
    """What is to be sent besides text, as the message tool reads it."""
    gates: Mapping[str, bool] = who.account.discord.actions.model_dump(by_alias=True)
    extras = read_extras(values)
    check_gate(gate, lambda name: gates.get(name, False))
    check_gates(extras, lambda name: gates.get(name, False))
    return extras


def _files(extras: Extras, who: Operator, carried: Carried) -> tuple[SendFile, ...]:
    """The files, read now; where a fleet sends them they wait in its store (rule R25)."""
    put = carried.put if who.store is None else who.store.blobs.put
    if extras.voice:
        return (voice_file(extras.media[0], put),)
    most = min(int(who.account.discord.media_max_mb * 1024 * 1024), MAX_BLOB)

    def fit(source: str) -> Raw:
        return fitting(
            source, most, lambda most: who.read(source, most=most, whose="channels.discord.mediaMaxMb")
        )

    return tuple(keep_file(put, fit(source), filename=extras.filename) for source in extras.media)


def _posted(request: SendRequest, extras: Extras, channel: Json) -> SendRequest:
    """The request of a post, where the channel holds only those."""
    if not is_forum(channel):
        return request
    problem = post_problem(channel, flags=request.flags, poll=extras.poll is not None)
    if problem:
        fix = "shoal message thread create --applied-tags <id> makes a post with tags."
        raise ProcessError(problem, fix=fix, exit_code=USAGE)
    return msgspec.structs.replace(
        request,
        text=request.text if request.text.strip() else untitled(time.time()),
        guild_id=str(channel.get("guild_id") or "") or None,
        post=True,
        archive_minutes=int(channel.get("default_auto_archive_duration") or 0),
    )


def _queued(store: Store, request: SendRequest, timeout: float) -> Json:
    """Push it, and wait until the record has left its lane; the receipts tell what became of it.

    Raises:
        ProcessError: Discord did not take it, or nobody knows.
    """
    store.lanes.push(request.lane, send_record(request, account=request.account))
    give_up = time.monotonic() + timeout
    while (fate := _fate(store, request)).queued:
        if time.monotonic() > give_up:
            note = "no worker has sent it yet; it is sent once the fleet comes to it, do not repeat it"
            return {"ok": True, "queued": True, "note": note, "result": {"channelId": request.channel_id}}
        time.sleep(POLL_S)
    if fate.unknown:
        raise ProcessError(
            f"The message may have been sent to channel {request.channel_id}: Discord's answer was lost.",
            fix="Look into the channel before you send it again.",
            exit_code=FAILED,
        )
    if not fate.parts:
        place = request.channel_id
        raise ProcessError(
            f"The message for channel {place} was not sent. {fate.why}".strip(),
            fix="" if fate.why else f"See why: shoal channels capabilities --target channel:{place}",
            exit_code=FAILED,
        )
    return _sent(request, fate.parts)


def _fate(store: Store, request: SendRequest) -> Fate:
    return fate_of(store, request.account, request.lane, request.identity, request.channel_id)


def _direct(asked: SendRequest, who: Operator, carried: Carried) -> Json:
    """Send it from here, part by part, as delivery does."""
    settings, request = DeliverySettings.of(who.account), asked
    plan, parts = plan_of(request, settings), list[PartReceipt]()
    too_large: list[str] = []
    voice = VoiceWay(Progress())
    while len(parts) < len(plan):
        place, part = parts[0].channel_id if request.post and parts else request.channel_id, len(parts)
        calls = Calls(place, who.rest, carried)
        try:
            with explained(who.rest, place, more=permissions_for(request)):
                made = make_part(
                    request, settings, plan, part, voice=voice, calls=calls, left_out=too_large.append
                )
        except (Rejected, DiscordError) as error:
            refused = error if isinstance(error, Rejected) else verdict_on(error)
            other = None
            if isinstance(refused, Rejected):
                other = voice.give_way(request, file_of(request, plan, part), refused, error)
            if other is not None:
                request, plan = other, plan_of(other, settings)
            elif isinstance(error, Rejected):
                raise ProcessError(error.why, exit_code=FAILED) from None
            else:
                raise
        else:
            parts.append(made)
    done = _sent(asked, parts)
    if too_large:
        left_out = f"{', '.join(too_large)} was left out. {_limit(request.channel_id, who)}"
        done["warning"] = f"{done.get('warning', '')} {left_out}".strip()
    return done


def _limit(channel_id: str, who: Operator) -> str:
    """How large a file may be there."""
    try:
        guild_id = who.rest.get_channel(channel_id).get("guild_id")
        tier = int(who.rest.get_guild(str(guild_id)).get("premium_tier") or 0) if guild_id else 0
    except ShoalError:
        return CONDITIONS["too-large"].fix
    return f"Discord takes files up to {upload_limit(tier) // MIB} MB there."


def _sent(request: SendRequest, parts: Sequence[PartReceipt]) -> Json:
    ids, place = [part.message_id for part in parts], parts[-1].channel_id
    told: Json = {"ok": True, "result": {"messageId": ids[-1], "messageIds": ids, "channelId": place}}
    notes = " ".join(part.note for part in parts if part.note)
    if is_voice(request):
        told["voiceMessage"] = not notes
    if notes:
        told["warning"] = notes
    if request.poll is not None:
        told |= {"messageId": ids[-1], "channelId": place}
    if request.post:
        told["thread"] = {"id": place, "name": post_title(request.text), "parent_id": request.channel_id}
    return told


def _pins(values: Mapping[str, Any]) -> bool:
    """Whether the message is to be pinned: ``--pin``, or ``pin`` in ``--delivery``."""
    wish: Any = False
    if values.get("delivery"):
        try:
            wanted = read_json(values["delivery"])
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict) or set(wanted) - {"pin"}:
            raise ProcessError("--delivery takes only pin.", fix='Write {"pin": true}.', exit_code=USAGE)
        wish = wanted.get("pin")
        wish = wish.get("enabled", True) if isinstance(wish, dict) else wish
    return bool(values.get("pin") or wish)


def _pinned(done: Json, who: Operator) -> Json:
    """Pin what was sent; it is out, whatever comes of this."""
    result = done["result"]
    if "messageId" not in result:
        return {"pinned": False, "warning": "It is not pinned: it is not sent yet."}
    values = {"target": f"channel:{result['channelId']}", "messageId": result["messageIds"][0]}
    try:
        perform(ACTIONS["pin"], values, {"pins": True}, who.context())
    except ShoalError as error:
        return {"pinned": False, "warning": f"It is not pinned: {error.message}"}
    return {"pinned": True}

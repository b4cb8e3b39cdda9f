"""``shoal message send|poll|react``: through the delivery lane of a running fleet, else directly."""

from __future__ import annotations

import mimetypes
import time
from pathlib import Path
from typing import Any

from shoal.base.errors import ProcessError, ShoalError
from shoal.base.exits import FAILED, USAGE
from shoal.base.ids import derive_nonce, new_token
from shoal.cli.message.run import Operator
from shoal.discord.codes import CONDITIONS
from shoal.discord.errors import TooLarge
from shoal.discord.permissions import Permission
from shoal.discord.transport import File
from shoal.discord.wire import ChannelType, MessageFlags
from shoal.state.records import Record
from shoal.state.store import Store
from workers.actions.perform import perform
from workers.actions.table import ACTIONS
from workers.delivery.chunks import DISCORD_LIMIT, chunk_text
from workers.delivery.missing import explained
from workers.delivery.outgoing import MIB, upload_limit
from workers.delivery.records import KIND, SendRequest, decode_receipt, encode
from workers.delivery.refused import why_not_sent
from workers.delivery.render import TOO_LARGE_NOTICE

__all__ = ["poll", "react", "send", "text_of"]

Json = dict[str, Any]
FORUMS = (ChannelType.GUILD_FORUM, ChannelType.GUILD_MEDIA)
POLL_S = 0.1


def text_of(values: Json) -> str:
    """The text; a literal ``\\n`` is a line break."""
    return str(values.get("message") or "").replace("\\n", "\n")


def send(values: Json, who: Operator, timeout: float) -> Json:
    """Send a text or a file; to a forum it becomes a post (2.6).

    Raises:
        ProcessError: nothing to send, or it was not sent.
    """
    text, media = text_of(values), values.get("media")
    if not text.strip() and not media:
        raise ProcessError("There is nothing to send.", fix="Give --message or --media.", exit_code=USAGE)
    files = [_file(str(media))] if media else []
    channel_id = who.channel(values.get("threadId") or values.get("target"))
    if who.rest.get_channel(channel_id).get("type") in FORUMS:
        return _post(text, channel_id, bool(files), who)
    return _deliver(values, text, channel_id, who, timeout, files=files)


def poll(values: Json, who: Operator, timeout: float) -> Json:
    """Send a poll.

    Raises:
        ProcessError: question or answers are missing.
    """
    answers = values.get("pollOption") or []
    if not values.get("pollQuestion") or not 2 <= len(answers) <= 10:
        raise ProcessError(
            "A poll needs a question and 2 to 10 answers.",
            fix="Give --poll-question and --poll-option for each answer.",
            exit_code=USAGE,
        )
    hours = str(values.get("pollDurationHours") or "24")
    if not hours.isdigit() or not 1 <= int(hours) <= 768:
        raise ProcessError(
            f"--poll-duration-hours {hours!r} is not between 1 and 768.", fix="Give hours.", exit_code=USAGE
        )
    made = {
        "question": {"text": values["pollQuestion"]},
        "answers": [{"poll_media": {"text": answer}} for answer in answers],
        "duration": int(hours),
        "allow_multiselect": bool(values.get("pollMulti")),
        "layout_type": 1,
    }
    return _deliver(values, text_of(values), who.channel(values.get("target")), who, timeout, poll_body=made)


def react(values: Json, who: Operator) -> Json:
    """Add the bot's reaction, or take it away.

    Raises:
        ProcessError: no message or no emoji is named.
    """
    message_id = str(values.get("messageId") or "")
    emoji = str(values.get("emoji") or "").strip().replace("\ufe0f", "").replace("\ufe0e", "")
    if not message_id.isdigit() or not emoji:
        raise ProcessError(
            "A reaction needs a message and an emoji.", fix="Give --message-id and --emoji.", exit_code=USAGE
        )
    emoji = emoji.strip("<>").removeprefix("a:").removeprefix(":")
    channel_id = who.channel(values.get("target"))
    with explained(who.rest, channel_id):
        if values.get("remove"):
            who.rest.delete_own_reaction(channel_id, message_id, emoji)
            return {"ok": True, "removed": emoji}
        who.rest.create_reaction(channel_id, message_id, emoji)
    return {"ok": True, "added": emoji}


def _file(name: str) -> File:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ProcessError(
            f"There is no file {name!r}.", fix="--media takes a file of this machine.", exit_code=USAGE
        )
    return File(
        path.name, path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )


def _post(text: str, forum_id: str, with_files: bool, who: Operator) -> Json:
    """A post whose title is the first line (2.6)."""
    if with_files:
        raise ProcessError(
            "A file cannot open a forum post from here.",
            fix="Make the post first, then send the file to its thread.",
            exit_code=USAGE,
        )
    title = next(line.strip() for line in text.splitlines() if line.strip())
    values = {"target": f"channel:{forum_id}", "threadName": title[:100], "message": text}
    gates: dict[str, bool] = who.account.discord.actions.model_dump(by_alias=True)
    return perform(ACTIONS["thread-create"], values, gates, who.context())


def _deliver(
    values: Json,
    text: str,
    channel_id: str,
    who: Operator,
    timeout: float,
    *,
    files: list[File] | None = None,
    poll_body: Json | None = None,
) -> Json:
    cause = f"cli.{new_token()[:16]}"
    reply_to = str(values.get("replyTo") or "") or None
    if who.store is None or files:
        return _direct(values, text, channel_id, who, cause, reply_to, files or [], poll_body)
    request = SendRequest(
        account=who.account.id, channel_id=channel_id, cause=cause, step="send", text=text,
        reply_to=reply_to, silent=bool(values.get("silent")), poll=poll_body, plain=True,
    )  # fmt: skip
    store = who.store
    store.lanes.push(request.lane, Record(request.identity, KIND, encode(request), account=who.account.id))
    return _await(store, request, timeout)


def _await(store: Store, request: SendRequest, timeout: float) -> Json:
    """Wait until the record has left its lane; the receipts tell what became of it.

    Raises:
        ProcessError: Discord did not take it.
    """
    give_up = time.monotonic() + timeout
    while store.redis.hexists(store.keys.lane_records(request.lane), request.identity):
        if time.monotonic() > give_up:
            note = "no worker has sent it yet; it is sent once the fleet comes to it, do not repeat it"
            return {"ok": True, "queued": True, "note": note, "result": {"channelId": request.channel_id}}
        time.sleep(POLL_S)
    receipts = store.receipts.receipt(request.identity)
    if not receipts:
        account, lane, place = request.account, request.lane, request.channel_id
        why = why_not_sent(store, account, lane, request.identity, place)
        raise ProcessError(
            f"The message for channel {place} was not sent. {why}".strip(),
            fix="" if why else f"See why: shoal channels capabilities --target channel:{place}",
            exit_code=FAILED,
        )
    ids = [decode_receipt(value).message_id for _, value in sorted(receipts.items())]
    return {"ok": True, "result": {"messageId": ids[-1], "messageIds": ids, "channelId": request.channel_id}}


def _direct(
    values: Json,
    text: str,
    channel_id: str,
    who: Operator,
    cause: str,
    reply_to: str | None,
    files: list[File],
    poll_body: Json | None,
) -> Json:
    room = DISCORD_LIMIT - len(TOO_LARGE_NOTICE) - 2 if files else DISCORD_LIMIT
    chunks: list[str | None] = [*chunk_text(text, limit=room)] or [None]
    flags = int(MessageFlags.SUPPRESS_NOTIFICATIONS) if values.get("silent") else 0
    ids: list[str] = []
    warning: Json = {}

    def create(number: int, content: str | None, files: list[File]) -> Json:
        return who.rest.create_message(
            channel_id,
            nonce=derive_nonce(cause, "send", number),
            content=content,
            reply_to=reply_to if number == 0 else None,
            files=files,
            poll=poll_body if number == len(chunks) - 1 else None,
            flags=flags,
        )

    more = Permission.ATTACH_FILES if files else Permission(0)
    for number, chunk in enumerate(chunks):
        with explained(who.rest, channel_id, more=more):
            try:
                made = create(number, chunk, files if number == 0 else [])
            except TooLarge:
                if not files or number:
                    raise
                made = create(number, f"{chunk or ''}\n\n{TOO_LARGE_NOTICE}".strip(), [])
                warning = {"warning": f"The file was left out. {_limit(channel_id, who)}"}
        ids.append(str(made["id"]))
    result = {"messageId": ids[-1], "messageIds": ids, "channelId": channel_id}
    return {"ok": True, "result": result, **warning}


def _limit(channel_id: str, who: Operator) -> str:
    """How large a file may be there."""
    try:
        guild_id = who.rest.get_channel(channel_id).get("guild_id")
        tier = int(who.rest.get_guild(str(guild_id)).get("premium_tier") or 0) if guild_id else 0
    except ShoalError:
        return CONDITIONS["too-large"].fix
    return f"Discord takes files up to {upload_limit(tier) // MIB} MB there."

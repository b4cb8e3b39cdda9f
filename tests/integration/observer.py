"""What a person with discord.py sees of a fleet: each event as that library understood it, a JSON line each.

Run as ``python -m tests.integration.observer <api base> <gateway address> <token>``; see :class:`Observer`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


class Observer:
    """discord.py in a process of its own, and what it has told so far."""

    def __init__(self, api: str, gateway: str, token: str) -> None:
        self.seen: list[Json] = []
        self._errors: list[str] = []
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.observer", api, gateway, token],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def wait(self, what: str, fits: Callable[[Json], bool] = lambda _: True, timeout: float = 40.0) -> Json:
        """The first event ``what`` that fits."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for event in self.seen.copy():
                if event["what"] == what and fits(event):
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no {what} was seen that fits; seen:\n{self.told()}")

    def told(self) -> str:
        """Everything so far, for people."""
        return "\n".join([*map(json.dumps, self.seen[-30:]), *self._errors[-40:]])

    @property
    def errors(self) -> str:
        """What discord.py complained about."""
        return "".join(self._errors)

    def stop(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.wait()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.seen.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        self._errors.extend(self._child.stderr)


def main(api: str, gateway: str, token: str) -> None:
    """Connect and tell until killed."""
    import discord
    import yarl

    discord.http.Route.BASE = api
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)

    def tell(what: str, **fields: Any) -> None:
        print(json.dumps({"what": what, **fields}), flush=True)

    class Watcher(discord.Client):
        async def on_ready(self) -> None:
            tell("ready", guilds=[guild.name for guild in self.guilds])

        async def on_message(self, message: discord.Message) -> None:
            if message.author.id == self.application_id:
                return
            tell("message", **await _message(message))

        async def on_message_edit(self, before: discord.Message, after: discord.Message) -> None:
            edited = after.edited_at.isoformat() if after.edited_at else None
            tell("edit", before=before.content, edited_at=edited, **await _message(after))

        async def on_message_delete(self, message: discord.Message) -> None:
            tell("delete", id=str(message.id), content=message.content)

        async def on_thread_create(self, thread: discord.Thread) -> None:
            tell("thread", id=str(thread.id), name=thread.name, parent=str(thread.parent_id),
                 kind=thread.type.name, owner=str(thread.owner_id), archived=thread.archived)  # fmt: skip

        async def on_reaction_add(self, reaction: discord.Reaction, user: discord.User) -> None:
            tell("reaction", message=str(reaction.message.id), emoji=str(reaction.emoji), by=user.name,
                 count=reaction.count)  # fmt: skip

        async def on_reaction_remove(self, reaction: discord.Reaction, user: discord.User) -> None:
            tell("unreaction", message=str(reaction.message.id), emoji=str(reaction.emoji), by=user.name)

        async def on_typing(self, channel: Any, user: Any, _when: Any) -> None:
            tell("typing", channel=str(channel.id), by=user.name)

        async def on_error(self, event: str, /, *args: Any, **kwargs: Any) -> None:
            tell("error", event=event, error=repr(sys.exc_info()[1]))

    async def _message(message: discord.Message) -> Json:
        reference = message.reference
        resolved = getattr(reference, "resolved", None)
        view = discord.ui.LayoutView.from_message(message) if message.flags.components_v2 else None
        return {
            "id": str(message.id),
            "channel": str(message.channel.id),
            "place": message.channel.type.name,
            "by": message.author.name,
            "type": message.type.name,
            "content": message.content,
            "clean": message.clean_content,
            "mentions": [user.name for user in message.mentions],
            "reference": str(reference.message_id) if reference else None,
            "answers": getattr(resolved, "content", None),
            "embeds": [embed.to_dict() for embed in message.embeds],
            "attachments": [await _file(one) for one in message.attachments],
            "stickers": [{"id": str(one.id), "name": one.name, "format": one.format.name}
                         for one in message.stickers],
            "poll": _poll(message.poll) if message.poll else None,
            "v2": message.flags.components_v2,
            "silent": message.flags.silent,
            "components": [_component(one) for one in message.components],
            "view": [type(item).__name__ for item in view.walk_children()] if view else [],
        }  # fmt: skip

    async def _file(file: discord.Attachment) -> Json:
        read = await file.read()
        return {"name": file.filename, "type": file.content_type, "size": file.size, "bytes": len(read)}

    def _poll(poll: discord.Poll) -> Json:
        assert poll.expires_at is not None
        return {
            "question": poll.question,
            "answers": [answer.text for answer in poll.answers],
            "multiple": poll.multiple,
            "hours": round((poll.expires_at - discord.utils.utcnow()).total_seconds() / 3600),
        }

    def _component(component: Any) -> Json:
        told: Json = {"kind": component.type.name}
        for name in ("label", "custom_id", "disabled", "placeholder", "url", "content", "spoiler"):
            value = getattr(component, name, None)
            if value is not None:
                told[name] = str(value) if name in ("custom_id", "url") else value
        if getattr(component, "accent_color", None) is not None:
            told["accent"] = component.accent_color.value
        if getattr(component, "options", None):
            told["options"] = [option.label for option in component.options]
        below = [_component(one) for one in getattr(component, "children", [])]
        if getattr(component, "accessory", None) is not None:
            told["accessory"] = _component(component.accessory)
        return told | ({"children": below} if below else {})

    intents = discord.Intents.all()
    intents.presences = False
    Watcher(intents=intents).run(token, log_handler=None)


if __name__ == "__main__":
    main(*sys.argv[1:])

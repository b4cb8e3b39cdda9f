"""discord.py, an independent client, cannot tell the simulator from Discord."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from shoal.simulator.server import Simulator

BOT = textwrap.dedent(
    """
    import sys, discord, yarl

    api, gateway, token = sys.argv[1:4]
    discord.http.Route.BASE = api
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    intents = discord.Intents.default()
    intents.message_content = True
    intents.members = True


    class Buttons(discord.ui.View):
        @discord.ui.button(label="Yes", custom_id="yes")
        async def yes(self, interaction, button):
            await interaction.response.send_message("clicked", ephemeral=True)
            await interaction.followup.send("and a follow-up")
            await interaction.edit_original_response(content="clicked indeed")

        @discord.ui.select(custom_id="pick", options=[discord.SelectOption(label="A", value="a")])
        async def pick(self, interaction, select):
            await interaction.response.edit_message(content=f"picked {select.values[0]}")


    class Form(discord.ui.Modal, title="Form"):
        name = discord.ui.TextInput(label="Name", custom_id="name")

        async def on_submit(self, interaction):
            await interaction.response.send_message(f"name {self.name.value}")


    class Bot(discord.Client):
        async def setup_hook(self):
            tree = discord.app_commands.CommandTree(self)

            @tree.command(name="ask", description="Ask.")
            async def ask(interaction, text: str):
                await interaction.response.defer()
                await interaction.followup.send("answer to " + text)

            @tree.command(name="form", description="Form.")
            async def form(interaction):
                await interaction.response.send_modal(Form())

            await tree.sync()

        async def on_message(self, message):
            if message.author == self.user:
                return
            if message.content == "leave":
                await self.close()
            elif message.content == "thread":
                thread = await message.create_thread(name="A thread")
                await thread.send("inside")
            elif message.content == "history":
                texts = [m.content async for m in message.channel.history(limit=3)]
                await message.reply("|".join(texts))
            elif message.content.startswith("echo"):
                await message.channel.send(message.content)
            else:
                await message.add_reaction("\\N{EYES}")
                read = await message.attachments[0].read() if message.attachments else b""
                file = discord.File(__import__("io").BytesIO(read + b"!"), "back.txt")
                embed = discord.Embed(title="T", description="D").set_image(url="attachment://back.txt")
                await message.reply("hello " + message.author.mention, view=Buttons(), file=file, embed=embed)


    Bot(intents=intents, max_messages=100).run(token, log_handler=None)
    """
)


@pytest.fixture
def bot(simulator: Simulator, tmp_path: Path):
    """discord.py in a process of its own."""
    script = tmp_path / "bot.py"
    script.write_text(BOT, encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, str(script), simulator.api_url, simulator.gateway_url, simulator.token],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        simulator.control.wait_for_ready(timeout=30)
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_conversation(simulator: Simulator, bot: subprocess.Popen[str]) -> None:
    control = simulator.control
    said = control.say("general", "hi", files=[("a.txt", b"abc")])
    answer = control.wait_for_message("general", after=said["id"])
    assert answer["content"] == f"hello <@{simulator.user_id}>"
    assert answer["type"] == 19
    assert answer["message_reference"]["message_id"] == said["id"]
    assert [m["id"] for m in answer["mentions"]] == [simulator.user_id]
    assert answer["embeds"][0]["image"]["url"] == answer["attachments"][0]["url"]
    stored = simulator.core.world.message(simulator.channel_id, answer["id"]).attachments[0]
    assert stored.data == b"abc!"
    seen = control.messages("general", after=None)
    assert seen[0]["reactions"][0]["emoji"] == {"id": None, "name": "👀"}

    clicked = control.wait_for_interaction(control.click("general", answer["id"], "yes")["id"])
    assert clicked["callback_type"] == 4
    assert clicked["ephemeral"] is True
    control.wait_for_message("general", contains="and a follow-up")
    control.wait_until(
        lambda: (lambda i: i if i["messages"][0]["content"] == "clicked indeed" else None)(
            control.interaction(clicked["id"])
        ),
        timeout=10,
        what="the edited answer",
    )
    picked = control.wait_for_interaction(control.click("general", answer["id"], "pick", values=["a"])["id"])
    assert picked["callback_type"] == 7
    control.wait_for_message("general", contains="picked a")


def test_slash_commands_and_modals(simulator: Simulator, bot: subprocess.Popen[str]) -> None:
    control = simulator.control
    asked = control.wait_for_interaction(control.command("general", "ask", {"text": "why"})["id"])
    assert asked["callback_type"] == 5
    answer = control.wait_for_message("general", contains="answer to why")
    assert answer["interaction_metadata"]["name"] == "ask"
    opened = control.wait_for_interaction(control.command("general", "form")["id"])
    assert opened["modal"]["title"] == "Form"
    sent = control.submit_modal(opened["id"], {"name": "Ada"})
    control.wait_for_interaction(sent["id"])
    control.wait_for_message("general", contains="name Ada")


def test_threads_and_history(simulator: Simulator, bot: subprocess.Popen[str]) -> None:
    control = simulator.control
    said = control.say("general", "thread")
    inside = control.wait_until(
        lambda: next(
            iter(control.messages(said["id"]) if said["id"] in simulator.core.world.channels else []), None
        ),
        timeout=10,
        what="a message in the thread",
    )
    assert inside["content"] == "inside"
    asked = control.say("general", "history")
    answer = control.wait_for_message("general", after=asked["id"], contains="history")
    assert answer["content"].startswith("history|")


def test_it_resumes_after_a_cut_and_loses_nothing(simulator: Simulator, bot: subprocess.Popen[str]) -> None:
    control = simulator.control
    control.gateway("cut")
    for number in range(3):
        control.say("general", f"echo {number}")
    for number in range(3):
        control.wait_for_message("general", contains=f"echo {number}", timeout=30)
    session = control.sessions()[0]
    assert session["resumes"] >= 1
    assert len(control.sessions()) == 1
    assert len(control.messages("general", author="bot", contains="echo")) == 3


@pytest.mark.waits
def test_it_identifies_again_when_the_session_is_gone(
    simulator: Simulator, bot: subprocess.Popen[str]
) -> None:
    control = simulator.control
    before = control.sessions()[0]["id"]
    control.gateway("invalidate", resumable=False)
    control.wait_until(
        lambda: next((s for s in control.sessions() if s["connected"] and s["id"] != before), None),
        timeout=30,
        what="a new session",
    )
    control.say("general", "echo again")
    control.wait_for_message("general", contains="echo again")


def test_the_bodies_it_sends_pass_the_rules(simulator: Simulator, bot: subprocess.Popen[str]) -> None:
    control = simulator.control
    said = control.say("general", "hi")
    control.wait_for_message("general", after=said["id"])
    bad = [r for r in control.requests() if r["status"] >= 400]
    assert bad == []
    control.say("general", "leave")
    assert bot.wait(timeout=20) == 0

"""The built-in agent: answers without a key until a model is set up.

It is deterministic and streams like a model, so a fresh installation can be tried end to
end: `shoal demo`, the first DM, tools and all. It says what it is, repeats what it heard,
and names the next step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from workers.agent.providers.base import (
    Done,
    Event,
    Message,
    ModelRequest,
    TextDelta,
    ToolCall,
    Usage,
    Watch,
)
from workers.delivery.texts import is_chinese
from workers.sessions.envelopes import strip_envelopes

__all__ = ["GuideProvider"]

ECHO_CHARS = 300
DELTA_CHARS = 16

_INTRO = (
    "I am Shoal's built-in guide: your bot works, and no model is set up yet.\nYou said: {echo}\n\n"
    "Say `help` to see what I can do, or `model` for the next step.",
    "我是 Shoal 内置的向导：机器人已经可以工作，只是还没有配置模型。\n你说：{echo}\n\n"
    "发送 `帮助` 查看我会什么，发送 `模型` 查看下一步。",
)
_HELP = (
    "What you can say:\n"
    "- `status`: what is running\n"
    "- `model`: how to give me a real model\n"
    "- `token`: how to give me a Discord bot\n"
    "- `send <text>`: I post <text> with the message tool\n"
    "- `react <emoji>`: I react to your message\n"
    "- `long`: an answer of several parts\n"
    "Anything else I repeat.",
    "你可以发送：\n"
    "- `状态`：查看运行情况\n"
    "- `模型`：如何配置真正的模型\n"
    "- `令牌`：如何接入 Discord 机器人\n"
    "- `发送 <文字>`：我用消息工具发送这段文字\n"
    "- `反应 <表情>`：我给你的消息加一个表情\n"
    "- `长文`：一个分成多段的回答\n"
    "其他内容我会原样复述。",
)
_MODEL = (
    "To give me a model, put this into `~/.shoal/shoal.json` and set the key in the environment:\n"
    '```json5\n{ agents: { defaults: { model: "openai/<model>" } } }\n```\n'
    "`OPENAI_API_KEY` or `ANTHROPIC_API_KEY` holds the key. Any OpenAI-compatible server works too: "
    "`models.providers.<id> { baseUrl, apiKey }`, then `<id>/<model>`. `shoal config validate` checks it.",
    "要配置模型，请在 `~/.shoal/shoal.json` 中写入，并在环境变量里设置密钥：\n"
    '```json5\n{ agents: { defaults: { model: "openai/<模型>" } } }\n```\n'
    "密钥放在 `OPENAI_API_KEY` 或 `ANTHROPIC_API_KEY`。任何兼容 OpenAI 的服务也可以："
    "`models.providers.<id> { baseUrl, apiKey }`，然后写 `<id>/<模型>`。用 `shoal config validate` 检查。",
)
_TOKEN = (
    "To run a bot of your own: create an application at <https://discord.com/developers/applications>, "
    "switch on the Message Content intent, and set `DISCORD_BOT_TOKEN` or `channels.discord.token`. "
    "Then `shoal up`.",
    "接入自己的机器人：在 <https://discord.com/developers/applications> 创建应用，"
    "打开 Message Content intent，然后设置 `DISCORD_BOT_TOKEN` 或 `channels.discord.token`，"
    "再运行 `shoal up`。",
)
_WORDS: dict[str, str] = {
    "help": "help",
    "帮助": "help",
    "?": "help",
    "status": "status",
    "状态": "status",
    "model": "model",
    "模型": "model",
    "token": "token",
    "令牌": "token",
    "long": "long",
    "长文": "long",
}
_ACT = re.compile(r"\A(send|发送|react|反应)\s+(.+)\Z", re.DOTALL | re.IGNORECASE)


class GuideProvider:
    """Provider ``guide`` with the one model ``guide``.

    Args:
        status: lines about the fleet for `status`, given by the process that runs it.
        pace: called between deltas; ``time.sleep``-like, for demos.
    """

    id = "guide"

    def __init__(
        self,
        status: Callable[[], list[str]] | None = None,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._status = status
        self._pace = pace

    def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        """Answer the last message; see :class:`workers.agent.providers.base.Provider`."""
        said = request.said or _last_user_text(request.messages)
        call = _wanted_call(said, request)
        if call is not None:
            yield call
            yield Usage(input=len(said) // 4 + 1, output=8)
            yield Done("tools")
            return
        answer = self._answer(said, request.messages)
        for start in range(0, len(answer), DELTA_CHARS):
            watch()
            yield TextDelta(answer[start : start + DELTA_CHARS])
            self._pace()
        yield Usage(input=len(said) // 4 + 1, output=len(answer) // 4 + 1)
        yield Done("end")

    def prepare(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to give up."""

    def _answer(self, said: str, messages: tuple[Message, ...]) -> str:
        chinese = is_chinese(said)
        if messages and messages[-1].role == "tool":
            return _after_tool(messages[-1], chinese)
        topic = _WORDS.get(said.strip().strip("!！。.").lower(), "")
        if topic == "status":
            return self._status_text(chinese)
        if topic == "long":
            return _long(chinese)
        page = {"help": _HELP, "model": _MODEL, "token": _TOKEN}.get(topic)
        if page is not None:
            return page[chinese]
        echo = said if len(said) <= ECHO_CHARS else f"{said[:ECHO_CHARS]}…"
        return _INTRO[chinese].format(echo=echo)

    def _status_text(self, chinese: bool) -> str:
        lines = self._status() if self._status is not None else []
        head = "我在运行，使用内置向导。" if chinese else "I am up, answering with the built-in guide."
        return "\n".join([head, *(f"- {line}" for line in lines)])


def _last_user_text(messages: tuple[Message, ...]) -> str:
    for message in reversed(messages):
        if message.role == "user":
            return strip_envelopes(message.text)
    return ""


def _wanted_call(said: str, request: ModelRequest) -> ToolCall | None:
    match = _ACT.match(said.strip())
    if match is None or not request.messages or request.messages[-1].role == "tool":
        return None
    if all(tool.name != "message" for tool in request.tools):
        return None
    verb, rest = match.group(1).lower(), match.group(2).strip()
    arguments = (
        {"action": "send", "message": rest}
        if verb in ("send", "发送")
        else {"action": "react", "emoji": rest}
    )
    number = sum(1 for message in request.messages if message.role == "assistant")
    return ToolCall(f"guide_{number}", "message", json.dumps(arguments, ensure_ascii=False))


def _after_tool(result: Message, chinese: bool) -> str:
    if result.error:
        head = "工具没有成功：" if chinese else "The tool did not work:"
    else:
        head = "完成。工具的结果：" if chinese else "Done. The tool says:"
    return f"{head}\n```\n{result.text[:ECHO_CHARS].replace('```', '')}\n```"


def _long(chinese: bool) -> str:
    line = (
        "第 {} 行：这是一个很长的回答，会分成多条消息发送。"
        if chinese
        else ("Line {}: this answer is long enough to be sent in several parts, in order.")
    )
    return "\n".join(line.format(number) for number in range(1, 81))

"""Our own words to users: the one catalogue, English and Chinese (decision 54).

Short and plain; no stack, no status code that nobody can act on. Details are in the log.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Language", "is_chinese", "language_named", "language_of", "say"]

Language = Literal["en", "zh"]

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")

_TEXTS: dict[str, tuple[str, str]] = {
    "auth": (
        "I cannot reach my model: its key is missing or was refused. Whoever runs me can fix that with "
        "`shoal config validate`.",
        "我无法连接模型：密钥缺失或被拒绝。请管理员运行 `shoal config validate` 检查。",
    ),
    "billing": (
        "My model provider reports that there is no credit left. Whoever runs me has to top it up.",
        "模型服务商提示余额不足，请管理员充值。",
    ),
    "rate-limit": (
        "My model is getting too many requests right now. Please try again in a little while.",
        "模型请求过多，请稍后再试。",
    ),
    "overloaded": (
        "My model is overloaded or down at the moment. Please try again in a little while.",
        "模型暂时不可用或过载，请稍后再试。",
    ),
    "timeout": (
        "My model did not answer in time. Please try again in a little while.",
        "模型没有及时响应，请稍后再试。",
    ),
    "overflow": (
        "This conversation has become too long for my model. Start afresh with `/new`.",
        "对话过长，超出了模型的上下文。请用 `/new` 重新开始。",
    ),
    "missing": (
        "I am set up with a model that I cannot use. Whoever runs me can see why with "
        "`shoal config validate`.",
        "当前配置的模型无法使用。请管理员运行 `shoal config validate` 查看原因。",
    ),
    "other": (
        "Something went wrong while I was answering. Please try again; if it stays, tell whoever runs me.",
        "回答时出了点问题。请重试；如果仍然失败，请告诉管理员。",
    ),
    "undelivered": (
        "I had an answer, but Discord did not take it. Whoever runs me can see why with `shoal status`.",
        "我已有回答，但 Discord 没有接受。管理员可用 `shoal status` 查看原因。",
    ),
    "owner-unknown": (
        "⚙️ Something I had to say in {place} may have arrived or not. {why}\nI say this once a day for each "
        "channel and reason; `shoal status` shows the rest.",
        "⚙️ 我在 {place} 的一条消息不确定是否送达。{why}\n每个频道、每种原因每天只提示一次；其余见 "
        "`shoal status`。",
    ),
    "owner-undelivered": (
        "⚙️ Something I had to say in {place} was not delivered. {why}\nI say this once a day for each "
        "channel and reason; `shoal status` shows the rest.",
        "⚙️ 我在 {place} 的一条消息未能送达。{why}\n每个频道、每种原因每天只提示一次；其余见 `shoal status`。",
    ),
    "overdue": (
        "I ran out of time on this and stopped.",
        "任务超时，我已停止。",
    ),
    "stuck": (
        "I got stuck on this and was stopped. Please ask again.",
        "处理卡住了，已被中止。请重试。",
    ),
    "rounds": (
        "I stopped because I kept calling tools without getting further.",
        "我反复调用工具却没有进展，所以停了下来。",
    ),
    "acp": (
        "This conversation belongs to a coding agent (ACP), which I cannot run yet.",
        "此会话绑定到 ACP 编程代理，目前尚不支持。",
    ),
    "refused": (
        "My model declined to answer this.",
        "模型拒绝回答这个请求。",
    ),
    "empty": (
        "My model gave an empty answer. Please try again.",
        "模型返回了空回答，请重试。",
    ),
    "tool-failed": (
        "⚠️ {tool} failed, and my model had nothing more to say.",
        "⚠️ {tool} 失败了，模型也没有再给出回答。",
    ),
    "file-skipped": (
        "[Attachment {name} skipped: {reason}]",
        "[附件 {name} 未发送：{reason}]",
    ),
    "silent": (
        "Noted; I have nothing to add.",
        "收到，我没有要补充的。",
    ),
    "memory-short": (
        "⚙️ Redis, where I keep everything, is more than 80 % full. At 90 % I stop reading new messages. "
        "Give it more memory: `fleet.redis.maxMemoryMb`, or `maxmemory` of your own server.",
        "⚙️ Redis 内存已使用超过 80%。达到 90% 时我会停止读取新消息。请增加内存：`fleet.redis.maxMemoryMb`，"
        "或您自己服务器的 `maxmemory`。",
    ),
    "component-expired": (
        "This component has expired.",
        "此组件已失效。",
    ),
    "form-expired": (
        "This form has expired.",
        "此表单已失效。",
    ),
    "press-again": (
        "That took too long. Please press again.",
        "处理超时，请再按一次。",
    ),
    "component-denied": (
        "You are not authorized to use this {what}.",
        "您无权使用此{what}。",
    ),
    "component-invalid": (
        "This component is no longer valid.",
        "此组件不再可用。",
    ),
    "dm-interactions-disabled": (
        "DM interactions are disabled.",
        "私信交互已停用。",
    ),
    "form-not-opened": (
        "Could not open this form. Request a new form and try again.",
        "无法打开此表单。请重新获取表单后再试。",
    ),
    "interaction-expired": (
        "This is no longer active.",
        "此操作已失效。",
    ),
    "pairing": (
        "I do not know you yet: access is not set up.\n\n"
        "Your Discord user id: {id}\nPairing code:\n```\n{code}\n```\n"
        "Ask the owner of this bot to let you in with:\n```\nshoal pairing approve discord {code}\n```",
        "我还不认识你：尚未开通访问权限。\n\n"
        "你的 Discord 用户 ID：{id}\n配对码：\n```\n{code}\n```\n"
        "请让机器人所有者运行以下命令批准：\n```\nshoal pairing approve discord {code}\n```",
    ),
    "pairing-approved": (
        "✅ You are approved. Write to me whenever you like.",
        "✅ 已批准，现在可以直接给我发消息了。",
    ),
    "pairing-unreachable": (
        "⚙️ {who} ({id}) asked to talk to me, but I cannot send them a message ({code}). They have to open a "
        "server we share → Privacy Settings → Direct Messages, and write again. See `shoal pairing list`.",
        "⚙️ {who}（{id}）想与我对话，但我无法给对方发送私信（{code}）。请对方在共同的服务器上打开 "
        "Privacy Settings → Direct Messages，然后再发一次消息。详见 `shoal pairing list`。",
    ),
    "user-rate": (
        "That was a bit much at once. Please wait a minute before you ask me again.",
        "请求有点频繁，请等一分钟再问我。",
    ),
    "user-daily-cap": (
        "You have reached your limit with me for now. It frees up again within 24 hours.",
        "你已达到使用上限，24 小时内会逐渐恢复。",
    ),
    "hint-private": (
        "⚙️ Somebody named me in {place}, and my answer was not shown: in servers my last words are private, "
        "and I did not use the message tool. To have them shown, set `messages.groupChat.visibleReplies: "
        '"automatic"`. I say this once for each channel.',
        "⚙️ 有人在 {place} 提到了我，但我的回答没有显示："
        "在服务器中，我的最终文本是私密的，而我没有使用 message 工具。"
        '如需显示，请设置 `messages.groupChat.visibleReplies: "automatic"`。每个频道只提示一次。',
    ),
    "stopped": (
        "⚙️ Agent was aborted.",
        "⚙️ 已中止。",
    ),
    "session-new": (
        "✅ New session started.",
        "✅ 已开始新会话。",
    ),
    "session-new-model": (
        "✅ New session started · model {model}",
        "✅ 已开始新会话 · 模型 {model}",
    ),
    "session-soft": (
        "✅ The conversation goes on; its files are read afresh with the next message.",
        "✅ 会话继续；下一条消息会重新读取工作区文件。",
    ),
    "activation-set": (
        "⚙️ Group activation set to {mode}.",
        "⚙️ 群组触发方式已设为 {mode}。",
    ),
    "activation-usage": (
        "⚙️ Usage: /activation mention|always. Now: {mode}.",
        "⚙️ 用法：/activation mention|always。当前：{mode}。",
    ),
    "activation-direct": (
        "⚙️ Group activation only applies to servers and group chats.",
        "⚙️ 触发方式只适用于服务器和群聊。",
    ),
    "send-on": (
        "⚙️ Send policy: on. Answers are delivered in this conversation.",
        "⚙️ 发送策略：on。本会话会发送回复。",
    ),
    "send-off": (
        "⚙️ Send policy: off. Turns still run, their answers are not delivered in this conversation.",
        "⚙️ 发送策略：off。任务照常运行，但本会话不发送回复。",
    ),
    "send-inherit": (
        "⚙️ Send policy: inherit. This conversation follows session.sendPolicy.",
        "⚙️ 发送策略：inherit。本会话遵循 session.sendPolicy。",
    ),
    "send-usage": (
        "⚙️ Usage: /send on|off|inherit. Now: {mode}.",
        "⚙️ 用法：/send on|off|inherit。当前：{mode}。",
    ),
    "send-owner": (
        "⚙️ Only an owner (commands.ownerAllowFrom) may use /send.",
        "⚙️ 只有所有者（commands.ownerAllowFrom）可以使用 /send。",
    ),
    "tts-set": (
        "🔊 Answers read aloud in this conversation: {mode}.",
        "🔊 本会话的语音朗读：{mode}。",
    ),
    "tts-usage": (
        "🔊 Usage: /tts on|off|inbound|tagged|default. Now: {mode}.",
        "🔊 用法：/tts on|off|inbound|tagged|default。当前：{mode}。",
    ),
    "tts-nobody": (
        "🔊 Nobody can speak for this agent: messages.tts names no provider that can be used.",
        "🔊 该代理无法朗读：messages.tts 中没有可用的服务。",
    ),
    "queue-set": (
        "⚙️ Queue for this conversation: {settings}.",
        "⚙️ 本会话的队列设置：{settings}。",
    ),
    "queue-cleared": (
        "⚙️ Queue settings of this conversation cleared; in force: {settings}.",
        "⚙️ 已清除本会话的队列设置；当前生效：{settings}。",
    ),
    "queue-show": (
        "⚙️ Queue: {settings}. Change it with /queue <mode> debounce:2s cap:25 drop:old|new|summarize; "
        "/queue default clears. Modes: {modes}.",
        "⚙️ 队列：{settings}。修改：/queue <模式> debounce:2s cap:25 drop:old|new|summarize；"
        "/queue default 恢复默认。模式：{modes}。",
    ),
    "queue-unknown": (
        "⚙️ I do not understand {word} here. Modes: {modes}; options: debounce:2s, cap:25, "
        "drop:old|new|summarize; `default` clears.",
        "⚙️ 无法识别 {word}。模式：{modes}；选项：debounce:2s、cap:25、drop:old|new|summarize；"
        "`default` 恢复默认。",
    ),
    "status": (
        "⚙️ Agent {agent} · session `{session}`\n"
        "Model: {model}\n"
        "Turns: {turns} · tokens in {tokens_in}, out {tokens_out}\n"
        "Queue: {settings} · waiting {waiting}\n"
        "Activation: {activation}",
        "⚙️ 代理 {agent} · 会话 `{session}`\n"
        "模型：{model}\n"
        "轮次：{turns} · 令牌 输入 {tokens_in}，输出 {tokens_out}\n"
        "队列：{settings} · 等待 {waiting}\n"
        "触发方式：{activation}",
    ),
    "whoami": (
        "⚙️ You are {name} · user id {id} · tag {tag}\nChannel {channel} · authority {authority}",
        "⚙️ 你是 {name} · 用户 ID {id} · 标签 {tag}\n频道 {channel} · 权限 {authority}",
    ),
    "help": (
        "⚙️ Commands as a message of their own: /new or /reset [model] [message] start afresh, "
        "/stop ends what runs, /status, /whoami, /queue, /activation mention|always, "
        "/send on|off|inherit (owners), /tts on|off|inbound|tagged|default, /help.",
        "⚙️ 单独发送的命令：/new 或 /reset [模型] [消息] 重新开始，/stop 停止运行，"
        "/status、/whoami、/queue、/activation mention|always、/send on|off|inherit（所有者）、"
        "/tts on|off|inbound|tagged|default、/help。",
    ),
}
"""Name → English, Chinese."""


def say(name: str, language: Language, /, **values: str) -> str:
    """The text called ``name``, its ``{holes}`` filled from ``values``.

    Raises:
        KeyError: there is no such text, or a value is missing.
    """
    english, chinese = _TEXTS[name]
    text = chinese if language == "zh" else english
    return text.format(**values) if values else text


def language_named(tag: str) -> Language:
    """The language of ours for a locale of Discord's or a word of the config: ``zh-CN``, ``zh``, ``en``."""
    return "zh" if tag.startswith("zh") else "en"


def language_of(text: str) -> Language:
    """The language to answer somebody in who wrote ``text``."""
    return "zh" if is_chinese(text) else "en"


def is_chinese(text: str) -> bool:
    """Whether the text has Chinese characters and no Japanese ones."""
    return bool(_HAN.search(text)) and not _KANA.search(text)

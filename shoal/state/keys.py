"""Every Redis key of ours: one table of families, one place that builds names.

A *family* is declared once (R27): documentation, ``status``, backup, pruning and a test
(no undeclared key after the suite) read this table. Classes:

    durable   people would miss it: in backups
    working   the fleet would miss it; gone after a restore (R28)
    derived   can be made again; pruned first when memory is short

All names begin with the layout version (R26). Scripts build the same names from the
prefix in ``ARGV[1]``; ``tests/state/test_keys.py`` holds the two to each other.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from shoal.base.ids import DISCORD_EPOCH_MS, check_name

__all__ = ["CELERY_PREFIX", "FAMILIES", "LAYOUT", "PREFIX", "Family", "Keys", "family_of"]

LAYOUT = 1
PREFIX = f"shoal:{LAYOUT}:"
CELERY_PREFIX = f"{PREFIX}q:"
"""``global_keyprefix`` of Celery's transport; what lies under it is kombu's business."""

DECISION_PAGE_MS = 10_000
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Family:
    """One family of keys.

    Attributes:
        name: word for programs.
        pattern: name after the prefix; ``<…>`` stands for a checked name.
        type: Redis type.
        cls: ``durable``, ``working`` or ``derived``.
        ttl: how it ends, in words.
        cap: what bounds its size, in words.
        bytes: rough cost of one entry in bytes.
        backup: in ``shoal backup``.
        diagnostics: contents may be shown in diagnostics (masked); else names and counts only.
        note: what it holds.
    """

    name: str
    pattern: str
    type: str
    cls: str
    ttl: str
    cap: str
    bytes: int
    backup: bool
    diagnostics: bool
    note: str


def _w(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "working", ttl, cap, size, False, False, note)


def _d(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "durable", ttl, cap, size, True, False, note)


def _x(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "derived", ttl, cap, size, False, True, note)


# fmt: off
FAMILIES: tuple[Family, ...] = (
    # lanes
    _w("lane", "lane:<lane>", "hash", "with the lane", "one per live lane", 250, "state of a lane"),
    _w("order", "order:<lane>", "list", "with the lane", "records of the lane", 30, "identities in order"),
    _w("records", "rec:<lane>", "hash", "with the lane", "256 kB per record", 500, "identity → frame"),
    _w("journal", "jrn:<lane>", "list", "with the head", "4 MB per head", 500, "journal of the head"),
    _w("due", "due:<class>", "zset", "none", "one entry per lane", 100, "lane → when to look at it"),
    _w("ready", "ready:<route>", "zset", "none", "one entry per ready lane", 100, "lane → ready since"),
    _w("did", "did:<token>", "string", "60 s", "one per ended grant", 150, "how the grant ended"),
    _w("done", "done:<page>", "set", "20 min", "200,000 per page", 100, "lane|identity that left"),
    _w("slot", "slot:<lane>|<slot>", "string", "1 h", "one per preview", 200, "version and record of a slot"),
    _w("wake", "wake:<key>", "set", "park deadline + 60 s", "64 lanes", 100, "lanes parked on a key"),
    _w("woken", "woken:<key>", "string", "10 min", "one per key", 100, "a wake that came before its park"),
    _w("stop", "stop:<lane>", "hash", "10 min", "one per session", 150, "stop bound (born, id, reason)"),
    _w("over", "over:<lane>|<place>", "list", "1 day", "200 lines", 200, "what gave way, to be told of"),
    _w("abort", "abort:<lane>", "string", "10 min", "one per stuck lane", 150, "a head that stood still"),
    _w("stuck", "stuck", "hash", "none", "one per quiet lane", 150, "what was said of quiet lanes"),
    _w("stuck-look", "stucklook", "string", "30 s", "one", 60, "somebody has just looked for them"),
    _w("limit", "limit:<name>", "zset", "leases", "the cap", 120, "lane → lease end, for concurrency limits"),
    _w("hints", "hints", "hash", "none", "one per route", 1500, "route → queue key and message template"),
    _w("homes", "homes", "hash", "none", "one per agent", 60, "agent → home host"),
    _d("dead", "dead", "zset", "30 days", "10,000", 100, "dead records by time"),
    _d("dead-record", "dead:<dead id>", "hash", "30 days", "10,000", 900, "one dead record with its reason"),
    _w("dead-new", "deadnew", "zset", "30 days", "10,000", 100, "those nobody has been told of"),
    # intake
    _w("holder", "holder:<account>", "string", "lease", "one per account", 150, "gateway that owns it"),
    _w("cursor", "cursor:<account>:<shard>", "hash", "none", "one per shard", 400, "session, url, sequence"),
    _w("dedup-id", "seen:<account>:<page>", "set", "25 h", "intset page of 4 s", 8, "snowflakes taken in"),
    _w("dedup", "dup:<account>:<page>", "set", "20 min", "page of 10 min", 60, "other identities taken in"),
    _w("last", "last:<account>", "hash", "none", "channels of 7 d at a gap", 60, "channel → newest message"),
    _w("gap", "gap:<account>:<shard>", "hash", "1 h", "channels of 7 days", 60, "newest ids before a gap"),
    _w("commands", "cmd:<account>", "list", "none", "1,000", 200, "gateway commands to send"),
    _w("identify", "ident:<account>:<key>", "string", "5 s", "one per key", 80, "an IDENTIFY a moment ago"),
    _w("echo", "echo:<account>:<digest>", "string", "1 h", "one per message", 150, "our nonce → message"),
    _w("ack", "ack:<interaction id>", "string", "15 min", "one each", 120, "who acknowledged it"),
    # what happened
    _w("receipts", "rcpt:<identity>", "hash", "24 h", "parts of one answer", 150, "part → Discord's answer"),
    _d("decisions", "out:<account>:<page>", "hash", "7 days", "10 s, 50 drops/s", 25, "outcomes"),
    _d("trail", "trail:<account>:<page>", "hash", "7 days", "4 kB per message", 200, "story of a message"),
    _x("chatter", "chat:<account>", "hash", "2 s", "one per account", 150, "chatter written this second"),
    _d("told", "told:<account>", "hash", "none", "one per hint", 60, "what the owner was told once"),
    _d("counters", "count:<account>:<day>", "hash", "90 days", "400 fields", 30, "outcomes, reasons per day"),
    # who may talk in private
    _d("pairing", "pairing:<account>", "hash", "60 min each", "3 per account", 300, "sender → request"),
    _d("paired", "paired:<account>", "hash", "none", "10,000 per account", 150, "senders who were approved"),
    _d("owner", "owner", "string", "none", "one", 60, "first approved, while the config names no owner"),
    _d("pairing-import", "pairimport", "hash", "none", "the files", 60, "OpenClaw files taken over"),
    _w("pairing-done", "pairdone:<request>", "string", "60 s", "one per call", 150, "its answer"),
    _w("pairing-tries", "pairtries", "string", "10 min", "one", 60, "wrong codes in a row"),
    _w("tally", "tally:<account>:<name>", "zset", "the window", "the limit", 80, "messages counted, by time"),
    # sessions and bodies
    _d("session", "ses:<session key>", "hash", "none", "one per conversation", 400, "session record"),
    _d("sessions", "sessions", "zset", "none", "one per session", 120, "session key → updated at"),
    _d("transcript", "tr:<session id>", "list", "none", "2 MB hot", 700, "entries; a channel's: 400, 30 d"),
    _d("transcript-meta", "trm:<session id>", "hash", "none", "one each", 120, "bytes, count, archives"),
    _d("archive", "tra:<session id>:<number>", "string", "none", "1 MB", 200_000, "older entries, zstd"),
    _w("events", "evq:<session key>", "list", "7 days", "20 per session", 400, "what the next turn is told"),
    _w("blob", "blob:<blob id>", "string", "≤ 1 day", "25 MiB", 100_000, "bodies too large for records"),
    _w("media", "media:<account>:<file>", "hash", "1 day", "one per file", 300, "host → where the file is"),
    _w("claim", "mediaclaim:<account>:<file>:<host>", "string", "6 s", "one each", 120, "who fetches it"),
    _w("controls", "ctl:<account>:<group>", "hash", "≤ 1 day", "one per message", 900, "buttons, forms"),
    # agents that speak under a name of their own
    _d("personas", "persona:<account>", "hash", "none", "one each", 120, "conversation → who speaks"),
    _w("webhooks", "hook:<account>", "hash", "none", "one per channel", 150, "channel → our webhook"),
    _w("webhook-ids", "hookid:<account>", "set", "none", "webhooks ever made", 40, "whose messages are ours"),
    _w("webhook-no", "hookno:<account>:<channel>", "string", "1 h", "one each", 80, "why there is none"),
    _w("webhook-claim", "hookclaim:<account>:<channel>", "string", "20 s", "one each", 80, "who makes it"),
    _w("said", "said:<account>:<conversation>", "zset", "1 h", "100 messages", 100, "message → its part"),
    # facts
    _x("facts", "facts:<account>:<kind>", "hash", "none", "Discord's", 700, "guilds, channels, roles, …"),
    _x("lookup", "look:<account>:<kind>:<name>", "string", "≤ 30 d", "one each", 700, "what was asked for"),
    _x("members", "in:<account>:<guild id>", "set", "none", "the guild", 40, "channels of a guild"),
    # fleet
    _w("epoch", "epoch", "string", "none", "one", 100, "random id of this store's history"),
    _w("clock", "clock", "hash", "none", "one", 150, "newest time seen, last jump"),
    _w("forced", "forced", "hash", "none", "one per class", 50, "last hint beyond the sweeper's bound"),
    _x("process", "proc:<process>", "hash", "heartbeat", "one per process", 400, "heartbeat of a process"),
    _x("processes", "procs", "zset", "heartbeat", "one each", 80, "process → heartbeat ends"),
    # models
    _x("model-rest", "mrest:<scope>", "string", "the rest", "one per model", 100, "model not asked"),
    _x("model-fails", "mfail:<scope>", "string", "24 h", "one per model", 90, "failures in a row"),
    # other servers
    _x("circuit", "circuit:<account>:<name>", "string", "≤ 5 min", "one each", 100, "server not asked"),
    _x("circuit-fails", "circuitfail:<account>:<name>", "string", "15 min", "one each", 90, "failures"),
    # Discord's limits (scripts limiter_*.lua) and Celery
    _w("limiter", "rl:<…>", "any", "minutes", "buckets in use", 200, "rate limits; see the limiter"),
    _w("celery", "q:<…>", "any", "Celery", "Celery", 1000, "queues and bookkeeping of Celery"),
)
# fmt: on

_HOLE = re.compile(r"<[^>]+>")


def _compile(pattern: str) -> re.Pattern[str]:
    parts = _HOLE.split(pattern)
    return re.compile(".+".join(re.escape(part) for part in parts))


_PATTERNS = tuple((_compile(family.pattern), family) for family in FAMILIES)


def family_of(key: str) -> Family | None:
    """The family of a full key, or None if nobody declared it."""
    if not key.startswith(PREFIX):
        return None
    rest = key.removeprefix(PREFIX)
    return next((family for pattern, family in _PATTERNS if pattern.fullmatch(rest)), None)


def snowflake_page(message_id: str | int, width_ms: int) -> int:
    """Page number of a snowflake's time, with the same float arithmetic as the scripts."""
    ms = math.floor(float(int(message_id)) / 4194304.0) + DISCORD_EPOCH_MS
    return math.floor(ms / width_ms)


class Keys:
    """Builds key names under a prefix; the names match the table above."""

    def __init__(self, prefix: str = PREFIX) -> None:
        self.prefix = prefix

    def _make(self, head: str, *names: str) -> str:
        return self.prefix + ":".join((head, *(check_name(str(name)) for name in names)))

    def lane(self, lane: str) -> str:
        """State of a lane (hash)."""
        return self._make("lane", lane)

    def lane_order(self, lane: str) -> str:
        """Identities in order (list)."""
        return self._make("order", lane)

    def lane_records(self, lane: str) -> str:
        """Identity → frame (hash)."""
        return self._make("rec", lane)

    def journal(self, lane: str) -> str:
        """Journal of the head (list)."""
        return self._make("jrn", lane)

    def due(self, cls: str) -> str:
        """Lane → when to look at it, for a class (zset)."""
        return self._make("due", cls)

    def stop(self, lane: str) -> str:
        """Stop bound of a session lane (hash)."""
        return self._make("stop", lane)

    def over(self, lane: str, place: str) -> str:
        """Lines about messages that gave way in a lane (list)."""
        return f"{self._make('over', lane)}|{check_name(place)}"

    def abort(self, lane: str) -> str:
        """What a watch said about the head of a lane (string)."""
        return self._make("abort", lane)

    def stuck(self) -> str:
        """Lane → what was said of it, for lanes that stand still (hash)."""
        return self._make("stuck")

    def stuck_look(self) -> str:
        """Exists for as long as nobody needs to look for them (string)."""
        return self._make("stucklook")

    def hints(self) -> str:
        """Route → queue key and template (hash)."""
        return self._make("hints")

    def homes(self) -> str:
        """Agent → home (hash)."""
        return self._make("homes")

    def dead(self) -> str:
        """Dead records by time (zset)."""
        return self._make("dead")

    def dead_new(self) -> str:
        """Dead records nobody has been told of (zset)."""
        return self._make("deadnew")

    def dead_record(self, dead_id: str) -> str:
        """One dead record (hash)."""
        return self._make("dead", dead_id)

    def cursor(self, account: str, shard: int) -> str:
        """Cursor of a shard (hash)."""
        return self._make("cursor", account, str(int(shard)))

    def holder(self, account: str) -> str:
        """Token of the gateway that owns an account (string)."""
        return self._make("holder", account)

    def last(self, account: str) -> str:
        """Channel → newest message id taken in (hash)."""
        return self._make("last", account)

    def gap(self, account: str, shard: int) -> str:
        """Channel → newest message id before a gap that is being filled (hash)."""
        return self._make("gap", account, str(int(shard)))

    def commands(self, account: str) -> str:
        """Outgoing gateway commands (list)."""
        return self._make("cmd", account)

    def ack(self, interaction_id: str) -> str:
        """Who acknowledged an interaction (string)."""
        return self._make("ack", interaction_id)

    def receipts(self, identity: str) -> str:
        """Part → receipt (hash)."""
        return self._make("rcpt", identity)

    def slot(self, lane: str, name: str) -> str:
        """Version and record of a slot (string)."""
        return f"{self._make('slot', lane)}|{check_name(name)}"

    def decisions(self, account: str, message_id: str) -> str:
        """Page of outcomes a message falls into (hash)."""
        return self._make("out", account, str(snowflake_page(message_id, DECISION_PAGE_MS)))

    def trail(self, account: str, message_id: str) -> str:
        """Page of stories a message falls into (hash)."""
        return self._make("trail", account, str(snowflake_page(message_id, DECISION_PAGE_MS)))

    def counters(self, account: str, day: int) -> str:
        """Outcomes of a day since the epoch (hash)."""
        return self._make("count", account, str(day))

    def pairing(self, account: str) -> str:
        """Sender → request that waits for approval (hash)."""
        return self._make("pairing", account)

    def paired(self, account: str) -> str:
        """Senders who were approved (hash)."""
        return self._make("paired", account)

    def owner(self) -> str:
        """The first who was approved, while the config names no owner (string)."""
        return self._make("owner")

    def controls(self, account: str, group: str) -> str:
        """Controls of one message (hash)."""
        return self._make("ctl", account, group)

    def personas(self, account: str) -> str:
        """Conversation → who speaks there (hash)."""
        return self._make("persona", account)

    def webhooks(self, account: str) -> str:
        """Channel → our webhook there (hash)."""
        return self._make("hook", account)

    def webhook_ids(self, account: str) -> str:
        """Ids of webhooks that were ours at any time (set)."""
        return self._make("hookid", account)

    def webhook_refused(self, account: str, channel_id: str) -> str:
        """Why a channel has no webhook of ours (string)."""
        return self._make("hookno", account, channel_id)

    def webhook_claim(self, account: str, channel_id: str) -> str:
        """Exists while somebody makes a channel's webhook (string)."""
        return self._make("hookclaim", account, channel_id)

    def said(self, account: str, conversation: str) -> str:
        """Message id and part of a send, by time (zset)."""
        return self._make("said", account, conversation)

    def tally(self, account: str, name: str) -> str:
        """Messages counted under a name (zset)."""
        return self._make("tally", account, name)

    def session(self, session_key: str) -> str:
        """Session record (hash)."""
        return self._make("ses", session_key)

    def events(self, session_key: str) -> str:
        """System events that wait for a session's next turn (list)."""
        return self._make("evq", session_key)

    def told(self, account: str) -> str:
        """What the owner was told of once → how and when (hash)."""
        return self._make("told", account)

    def sessions(self) -> str:
        """Session key → updated at (zset)."""
        return self._make("sessions")

    def transcript(self, session_id: str) -> str:
        """Hot transcript entries (list)."""
        return self._make("tr", session_id)

    def transcript_meta(self, session_id: str) -> str:
        """Bytes, count, archives of a transcript (hash)."""
        return self._make("trm", session_id)

    def archive(self, session_id: str, number: int) -> str:
        """One archived part of a transcript (string)."""
        return self._make("tra", session_id, str(int(number)))

    def blob(self, blob_id: str) -> str:
        """A large body (string)."""
        return self._make("blob", blob_id)

    def media(self, account: str, file: str) -> str:
        """Host → what became of a file there (hash)."""
        return self._make("media", account, file)

    def media_claim(self, account: str, file: str, host: str) -> str:
        """Who fetches a file for a host now (string)."""
        return self._make("mediaclaim", account, file, host)

    def facts(self, account: str, kind: str) -> str:
        """Facts of one kind (hash)."""
        return self._make("facts", account, kind)

    def guild_channels(self, account: str, guild_id: str) -> str:
        """Channel ids of a guild (set)."""
        return self._make("in", account, guild_id)

    def lookup(self, account: str, kind: str, name: str) -> str:
        """What was looked up about a held message (string)."""
        return self._make("look", account, kind, name)

    def epoch(self) -> str:
        """Random id of this store's history (string)."""
        return self._make("epoch")

    def process(self, name: str) -> str:
        """Heartbeat of a process (hash)."""
        return self._make("proc", name)

    def processes(self) -> str:
        """Process → heartbeat end (zset)."""
        return self._make("procs")

    def identify(self, account: str, key: int) -> str:
        """Exists for five seconds after an IDENTIFY with this rate-limit key (string)."""
        return self._make("ident", account, str(int(key)))

    def echo(self, account: str, digest: str) -> str:
        """Channel and id of the message that came back with one of our nonces (string)."""
        return self._make("echo", account, digest)

    def circuit(self, account: str, name: str) -> str:
        """Exists while a server is not to be asked for an account (string: why)."""
        return self._make("circuit", account, name)

    def circuit_fails(self, account: str, name: str) -> str:
        """Failures in a row of a server (string)."""
        return self._make("circuitfail", account, name)

    def model_rest(self, scope: str) -> str:
        """Exists while a model or provider is not to be asked (string: code of the error)."""
        return self._make("mrest", scope)

    def model_fails(self, scope: str) -> str:
        """Failures of a model or provider since it last answered (string)."""
        return self._make("mfail", scope)

"""Every family of Redis keys of ours, declared once (rule R27).

``docs/state.md`` is made of this table, and a test holds every key the suite leaves to it. Classes:

    durable   people would miss it: in backups
    working   the fleet would miss it; gone after a restore (R28)
    derived   can be made again; pruned first when memory is short
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shoal.state.keys import PREFIX

__all__ = ["FAMILIES", "Family", "family_of"]


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
        note: what it holds.
    """

    name: str
    pattern: str
    type: str
    cls: str
    ttl: str
    cap: str
    bytes: int
    note: str


def _w(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "working", ttl, cap, size, note)


def _d(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "durable", ttl, cap, size, note)


def _x(name: str, pattern: str, kind: str, ttl: str, cap: str, size: int, note: str) -> Family:
    return Family(name, pattern, kind, "derived", ttl, cap, size, note)


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
    _w("stop", "stop:<lane>", "hash", "10 min", "a few per session", 150, "stops: born, id, reason"),
    _w("over", "over:<lane>|<place>", "list", "1 day", "200 lines", 200, "what gave way, to be told of"),
    _w("abort", "abort:<lane>", "string", "10 min", "one per stuck lane", 150, "a head that stood still"),
    _w("stuck", "stuck", "hash", "none", "one per quiet lane", 150, "what was said of quiet lanes"),
    _w("stuck-look", "stucklook", "string", "30 s", "one", 60, "somebody has just looked for them"),
    _w("limit", "limit:<name>", "zset", "leases", "the cap", 120, "lane → lease end, for concurrency limits"),
    _w("hints", "hints", "hash", "none", "one per route", 1500, "route → queue key and message template"),
    _w("homes", "homes", "hash", "none", "one per agent", 60, "agent → home host"),
    _w("homes-gone", "homesgone", "hash", "none", "one per agent", 80, "since when nobody lives at a home"),
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
    _d("transcript", "tr:<session id>", "list", "none", "2 MB hot", 700, "entries; some 400 or 40, 30 d"),
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
    _w("webhook-claim", "hookclaim:<account>:<channel>", "string", "30 s", "one each", 80, "who makes it"),
    _w("said", "said:<account>:<conversation>", "zset", "1 h", "100 messages", 100, "message → its part"),
    # facts
    _x("facts", "facts:<account>:<kind>", "hash", "none", "Discord's", 700, "guilds, channels, roles, …"),
    _x("lookup", "look:<account>:<kind>:<name>", "string", "≤ 30 d", "one each", 700, "what was asked for"),
    _x("members", "in:<account>:<guild id>", "set", "none", "the guild", 40, "channels of a guild"),
    # fleet
    _w("epoch", "epoch", "string", "none", "one", 100, "random id of this store's history"),
    _w("clock", "clock", "hash", "none", "one", 150, "newest time seen, jumps and falls"),
    _w("forced", "forced", "hash", "none", "one per class", 50, "last hint beyond the sweeper's bound"),
    _x("process", "proc:<process>", "hash", "heartbeat", "one per process", 400, "heartbeat of a process"),
    _w("runs", "runs", "hash", "none", "one per host", 60, "host → the run of the fleet there"),
    _x("processes", "procs", "zset", "heartbeat", "one each", 80, "process → heartbeat ends"),
    # models
    _x("model-rest", "mrest:<scope>", "string", "the rest", "one per model", 100, "model not asked"),
    _x("model-fails", "mfail:<scope>", "string", "24 h", "one per model", 90, "failures in a row"),
    # other servers
    _x("circuit", "circuit:<account>:<name>", "string", "≤ 5 min", "one each", 100, "server not asked"),
    _x("circuit-fails", "circuitfail:<account>:<name>", "string", "15 min", "one each", 90, "failures"),
    # Discord's limits (scripts limiter_*.lua)
    _w("limiter-routes", "rl:<bot>:routes", "hash", "7 days", "one field per route", 70, "route → bucket"),
    _w("limiter-bucket", "rl:<bot>:b:<bucket>:<major>", "hash", "60 s", "buckets in use", 250, "a bucket"),
    _w("limiter-log", "rl:<bot>:log", "list", "60 s", "64", 16, "last grants, for the global limit"),
    _w("limiter-state", "rl:<bot>:state", "hash", "1 h", "one per bot", 200, "global block, pace, latch"),
    _w("limiter-booking", "rl:<bot>:rq:<request>", "string", "120 s", "one per request", 120, "a booking"),
    _w("limiter-bad", "rl:e.<egress>:bad", "hash", "12 min", "11 fields", 20, "refused requests per minute"),
    _w("limiter-block", "rl:e.<egress>:block", "string", "the block", "one", 80, "Cloudflare's block"),
    # Celery
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

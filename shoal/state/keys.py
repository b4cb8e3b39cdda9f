"""The names of all Redis keys of ours, built in one place; what each holds: :mod:`shoal.state.families`.

All names begin with the layout version (R26). Scripts build the same names from the
prefix in ``ARGV[1]``; ``tests/state/test_keys.py`` holds the two to each other.
"""

from __future__ import annotations

import math

from shoal.base.ids import DISCORD_EPOCH_MS, check_name

__all__ = ["CELERY_PREFIX", "LAYOUT", "PREFIX", "Keys", "snowflake_page"]

LAYOUT = 1
PREFIX = f"shoal:{LAYOUT}:"
CELERY_PREFIX = f"{PREFIX}q:"
"""``global_keyprefix`` of Celery's transport; what lies under it is kombu's business."""

DECISION_PAGE_MS = 10_000


def snowflake_page(message_id: str | int, width_ms: int) -> int:
    """Page number of a snowflake's time, with the same float arithmetic as the scripts."""
    ms = math.floor(float(int(message_id)) / 4194304.0) + DISCORD_EPOCH_MS
    return math.floor(ms / width_ms)


class Keys:
    """Builds key names under a prefix; the names match that table."""

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

    def clock(self) -> str:
        """What scripts know of Redis' clock (hash)."""
        return self._make("clock")

    def homes(self) -> str:
        """Agent → home (hash)."""
        return self._make("homes")

    def homes_gone(self) -> str:
        """Agent → since when nobody lives at its home (hash)."""
        return self._make("homesgone")

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

    def runs(self) -> str:
        """Host → the run of the fleet there (hash)."""
        return self._make("runs")

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

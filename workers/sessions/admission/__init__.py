"""Admission: what becomes of one event from Discord."""

from workers.sessions.admission.event import admit
from workers.sessions.admission.results import Admission, Knock, Notice, StopBound, record_identity

__all__ = ["Admission", "Knock", "Notice", "StopBound", "admit", "record_identity"]

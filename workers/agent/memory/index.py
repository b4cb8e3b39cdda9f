"""The search index over an agent's notes: SQLite FTS5, one small file per agent.

Two ways of finding, because one tokenizer cannot serve both kinds of script:

    words      ``unicode61``: words of scripts that part them by spaces, ranked by BM25
    trigrams   runs of three characters: Chinese, Japanese, Korean, Thai …, ranked by BM25 too

A Chinese word often has two characters, fewer than a trigram: those are looked for as they are.
Each way's ranks are scaled to at most 1 and added. The index is derived: it follows the files
by size and time, and is made anew when it cannot be read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shoal.base.logging import get_logger
from workers.agent.memory.files import memory_files, passages

__all__ = ["Hit", "MemoryIndex"]

log = get_logger(__name__)

VERSION = 1
MAX_TERMS = 32
BUSY_MS = 5_000

_CJK = r"\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TERMS = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")
_RUN = re.compile(rf"[{_CJK}]")

_SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER);
CREATE TABLE notes (id INTEGER PRIMARY KEY, path TEXT, first INTEGER, last INTEGER, text TEXT);
CREATE INDEX notes_path ON notes (path);
CREATE VIRTUAL TABLE words USING fts5(text, content='notes', content_rowid='id', tokenize='unicode61');
CREATE VIRTUAL TABLE runs USING fts5(text, content='notes', content_rowid='id', tokenize='trigram');
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that fits; ``score`` is above 0, larger is better, comparable within one search only."""

    path: str
    first: int
    last: int
    text: str
    score: float


class MemoryIndex:
    """The index of one workspace. Cheap to make; every call opens the file for itself, so threads and
    processes may share it.

    Args:
        workspace: the agent's folder.
        database: the SQLite file; its folder is made where it is missing.
    """

    def __init__(self, workspace: Path, database: Path) -> None:
        self._workspace = workspace
        self._database = database

    def search(self, query: str, limit: int = 6) -> list[Hit]:
        """The passages that fit best, best first; none for a query without a word.

        Raises:
            OSError, sqlite3.Error: the index cannot be written (no space, no permission).
        """
        terms = list(dict.fromkeys(_TERMS.findall(query.casefold())))[:MAX_TERMS]
        if not terms:
            return []
        with closing(self._open()) as db:
            self._follow(db)
            scores: dict[int, float] = {}
            for ranked in (_words(db, terms), _trigrams(db, terms), _as_they_are(db, terms)):
                best = max(ranked.values(), default=0.0)
                for note, rank in ranked.items():
                    scores[note] = scores.get(note, 0.0) + (rank / best if best else 0.0)
            first = sorted(scores, key=lambda note: (-scores[note], note))[:limit]
            return [_hit(db, note, scores[note]) for note in first]

    def _open(self) -> sqlite3.Connection:
        """The database, made or made anew where it is missing or of another make."""
        self._database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for attempt in (1, 2):
            db = sqlite3.connect(self._database, timeout=BUSY_MS / 1000, isolation_level=None)
            try:
                # no WAL: switching to it waits for nobody, and a search that came beside another's failed
                if _version(db) == VERSION:
                    return db
                db.execute("BEGIN IMMEDIATE")
                if _version(db) == VERSION:  # made meanwhile
                    db.execute("COMMIT")
                    return db
                if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in _SCHEMA.strip().split(";\n"):
                        db.execute(statement.rstrip(";"))
                    db.execute("COMMIT")
                    return db
                db.execute("ROLLBACK")
                reason = "it is of another version"
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) or attempt == 2:
                    db.close()
                    raise
                reason = str(error)
            db.close()
            log.warning("the memory index is made anew", database=self._database.name, reason=reason)
            for ending in ("", "-wal", "-shm"):
                self._database.with_name(self._database.name + ending).unlink(missing_ok=True)
        raise sqlite3.DatabaseError("the memory index cannot be made")

    def _follow(self, db: sqlite3.Connection) -> None:
        """Bring the index to what the files say now."""
        known = {path: (size, changed) for path, size, changed in db.execute("SELECT * FROM files")}
        present: dict[str, tuple[int, int]] = {}
        for path in memory_files(self._workspace):
            try:
                stat = (self._workspace / path).stat()
            except OSError:
                continue
            present[path.as_posix()] = (stat.st_size, stat.st_mtime_ns)
        gone = [path for path in known if path not in present]
        new = [path for path, stamp in present.items() if known.get(path) != stamp]
        if not gone and not new:
            return
        db.execute("BEGIN IMMEDIATE")
        with db:  # ends the transaction, one way or the other
            for name in (*gone, *new):
                _forget(db, name)
            for name in new:
                self._add(db, name, present[name])

    def _add(self, db: sqlite3.Connection, path: str, stamp: tuple[int, int]) -> None:
        try:
            text = (self._workspace / path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            log.warning("a note cannot be read", path=path, error=error)
            return
        for part in passages(text):
            row = db.execute(
                "INSERT INTO notes (path, first, last, text) VALUES (?, ?, ?, ?)",
                (path, part.first, part.last, part.text),
            ).lastrowid
            for table in ("words", "runs"):
                db.execute(f"INSERT INTO {table} (rowid, text) VALUES (?, ?)", (row, part.text))  # noqa: S608
        db.execute("INSERT INTO files VALUES (?, ?, ?)", (path, *stamp))


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _forget(db: sqlite3.Connection, path: str) -> None:
    for row, text in db.execute("SELECT id, text FROM notes WHERE path = ?", (path,)).fetchall():
        for table in ("words", "runs"):
            delete = f"INSERT INTO {table} ({table}, rowid, text) VALUES ('delete', ?, ?)"  # noqa: S608
            db.execute(delete, (row, text))
    db.execute("DELETE FROM notes WHERE path = ?", (path,))
    db.execute("DELETE FROM files WHERE path = ?", (path,))


def _words(db: sqlite3.Connection, terms: Iterable[str]) -> dict[int, float]:
    return _matched(db, "words", [term for term in terms if not _RUN.match(term)])


def _trigrams(db: sqlite3.Connection, terms: Iterable[str]) -> dict[int, float]:
    """A sentence without spaces is one term: it is asked for by all its runs of three."""
    runs = [term[start : start + 3] for term in terms if _RUN.match(term) for start in range(len(term) - 2)]
    return _matched(db, "runs", list(dict.fromkeys(runs))[: MAX_TERMS * 2])


def _matched(db: sqlite3.Connection, table: str, terms: list[str]) -> dict[int, float]:
    if not terms:
        return {}
    wanted = " OR ".join(f'"{term}"' for term in terms)  # terms hold no quotes: they are word characters
    query = f"SELECT rowid, bm25({table}) FROM {table} WHERE {table} MATCH ? ORDER BY 2 LIMIT 50"  # noqa: S608
    # BM25 of SQLite is below 0, and near 0 in a small index: a hit is never worth nothing
    return {row: 0.001 - rank for row, rank in db.execute(query, (wanted,))}


def _as_they_are(db: sqlite3.Connection, terms: Iterable[str]) -> dict[int, float]:
    """Terms too short for a trigram, and the first pairs of a longer run."""
    pairs = [term[:2] if len(term) > 2 else term for term in terms if _RUN.match(term)][:8]
    found: dict[int, float] = {}
    for pair in dict.fromkeys(pairs):
        for (row,) in db.execute("SELECT id FROM notes WHERE instr(text, ?) LIMIT 50", (pair,)):
            found[row] = found.get(row, 0.0) + 1.0
    return found


def _hit(db: sqlite3.Connection, note: int, score: float) -> Hit:
    path, first, last, text = db.execute(
        "SELECT path, first, last, text FROM notes WHERE id = ?", (note,)
    ).fetchone()
    return Hit(path, first, last, text, round(score, 4))

"""The tables of a run's file, and how it is opened: to write where that can be, else to read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 2
"""Of the tables; older ones get those that have come since, later ones are refused."""
SECONDS = 10.0
"""That a writer waits for another one."""
JOURNAL = 1024 * 1024
"""Bytes that the file of what was written last, SQLite's own, may keep when it is empty."""
NOT_WRITTEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says where it cannot write."""
OF_VERSION_1 = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE columns (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE series ("update" INTEGER PRIMARY KEY, columns INTEGER NOT NULL, numbers BLOB NOT NULL) STRICT;
CREATE TABLE episodes ("update" INTEGER, step REAL, episodic_return REAL, length REAL) STRICT;
CREATE INDEX episodes_by_update ON episodes ("update");
CREATE TABLE changes ("update" INTEGER NOT NULL, name TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL) STRICT;
CREATE TABLE events (at TEXT NOT NULL, "update" INTEGER NOT NULL, what TEXT NOT NULL, said TEXT NOT NULL) STRICT;
CREATE TABLE states (
    "update" INTEGER PRIMARY KEY, size INTEGER NOT NULL, marked INTEGER NOT NULL DEFAULT 0, state BLOB NOT NULL
) STRICT;
"""
OF_VERSION_2 = """
CREATE TABLE IF NOT EXISTS rollouts (
    "update" INTEGER PRIMARY KEY, size INTEGER NOT NULL, alone INTEGER NOT NULL, rollout BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS judged ("update" INTEGER PRIMARY KEY, said TEXT NOT NULL) STRICT;
"""
ADDED = (OF_VERSION_1, OF_VERSION_2)
"""The tables that came with each version."""


class Unknown(ValueError):
    """Tables that this version does not know; the message says why, as the end of a sentence."""


def opened(path: Path, *, create: bool) -> sqlite3.Connection:
    """The file with all of its tables.

    Raises:
        Unknown: it is of a later version, or no run's.
        sqlite3.DatabaseError: it is damaged, or cannot be made.
    """
    connection = _connected(path, create=create)
    try:
        if create:
            connection.execute("PRAGMA journal_mode=WAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise Unknown("it was written by a later version of PPO Scope; take that one, or a newer one")
        if version < 1 and not create:
            raise Unknown("it is no run")
        if version < VERSION:
            _add(connection, version)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={JOURNAL}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(path: Path, *, create: bool) -> sqlite3.Connection:
    """For reading alone, where it lies where nothing can be written."""
    try:
        return _reached(path, "rwc" if create else "rw")
    except sqlite3.DatabaseError as error:
        if create or error.sqlite_errorcode & 0xFF not in NOT_WRITTEN:
            raise
    return _reached(path, "ro&immutable=1")


def _reached(path: Path, way: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={way}"
    connection = sqlite3.connect(address, SECONDS, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema=OFF")  # it may be somebody else's
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _add(connection: sqlite3.Connection, version: int) -> None:
    """The tables that have come since; where nothing can be written, for this reader alone."""
    added = "".join(ADDED[version:])
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {added} PRAGMA user_version={VERSION}; COMMIT;")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in NOT_WRITTEN:
            raise
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.executescript(added.replace("CREATE TABLE", "CREATE TEMP TABLE"))

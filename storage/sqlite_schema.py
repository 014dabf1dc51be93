"""Bringing a SQLite catalog up to the schema this version knows: numbered migrations, forwards only.

`application_id` says that a file is a Hulta catalog, `user_version` which migrations it has had.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from media.errors import CatalogError
from storage.statements import migrations, statements

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x48554C54  # "HULT"

PAGE_BYTES = 16_384
"""Of a new file. SQLite keeps a row of `segments` in its place up to a quarter of a page and spills the rest to a page
of its own. At the default of 4096 that is 1002 bytes, which a camera with an uneven clock exceeds: 4.8 kB instead of
1.1 kB a row, and a day read cold takes 160 ms instead of 25."""


MOST_CREATORS = 100
"""That one waits for, one after the other, each for as long as the connection's timeout."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the migrations that are missing, in one transaction. CatalogError for a foreign file or a newer schema."""
    _write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _require_ours(connection, path)
        version = _pragma(connection, "user_version")
        for number, script in migrations():
            if number > version:
                _run(connection, script)
                connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Of several processes that create the file at once one may, and SQLite's own patience does not extend to this."""
    for _ in range(MOST_CREATORS):
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # means nothing to a file that has pages already
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE")  # to this it does
            connection.execute("ROLLBACK")
    raise sqlite3.OperationalError("database is locked")


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    known, version = migrations()[-1][0], _pragma(connection, "user_version")
    tables = connection.execute(statements("schema")["tables"]).fetchone()[0]
    if _pragma(connection, "application_id") != APPLICATION_ID and tables:
        raise CatalogError(f"{path} is a database of another program", hint="choose another data directory")
    if version > known:
        raise CatalogError(
            f"catalog {path} has schema {version}; this version of Hulta knows schemas up to {known}",
            hint="a newer Hulta has used it: run that version, or restore the catalog from before the upgrade",
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    answer: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return answer


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run a script, whose statements end at line ends, inside the transaction (`executescript` would commit first)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""

"""A file that a store cannot use is closed again, and a server that cannot start has opened nothing for good."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from isthmus.compose import application
from isthmus.config.model import Configuration
from isthmus.errors import ConfigurationError
from isthmus.stores.sqlite import opened


def test_what_cannot_be_prepared_is_closed(tmp_path: Path) -> None:
    seen: list[sqlite3.Connection] = []

    def prepare(connection: sqlite3.Connection) -> None:
        seen.append(connection)
        connection.execute("SELECT * FROM absent")

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        opened(tmp_path / "x.db", prepare, timeout=1)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[0].execute("SELECT 1")


@pytest.mark.anyio
async def test_a_server_that_cannot_open_its_last_file_closes_those_before(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "approvals.db").write_bytes(b"no database" * 100)
    configuration = Configuration.model_validate({"data": "data"})
    with pytest.raises(ConfigurationError, match="approvals cannot be kept"):
        async with application(configuration, base=tmp_path, log=lambda _: None):
            raise AssertionError("it has no approvals")
    assert list((tmp_path / "data" / "run").glob("*.server")) == [], "it counts as ended, not as crashed"
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db", timeout=0)) as journal:
        assert journal.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",), "nobody else has it open"

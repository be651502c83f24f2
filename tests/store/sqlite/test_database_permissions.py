"""The database file is for the gateway's own user: what is kept of keys and passwords is in it."""

from __future__ import annotations

from gateway.store.sqlite.database import open_sync


def test_nobody_else_reads_the_database(tmp_path):
    """Neither the file nor what SQLite writes beside it; a file that is there keeps its
    permissions.
    """
    path = tmp_path / "data" / "gateway.db"
    db = open_sync(path)
    db.execute("INSERT INTO marks VALUES (1, 1)")
    files = sorted(path.parent.iterdir())
    assert len(files) > 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    db.close()
    path.chmod(0o640)
    open_sync(path).close()
    assert path.stat().st_mode & 0o777 == 0o640

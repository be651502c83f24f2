"""A fold that is killed: each frame still counts once."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.frames import Series
from gateway.store.history import Span
from gateway.store.series import WHOLE
from gateway.store.sqlite import aggregates, batch, history, series
from gateway.store.sqlite.database import open_sync, transaction

FRAMES = 3_000
FOLD = """
import sys
from pathlib import Path
from gateway.store.sqlite import aggregates
from gateway.store.sqlite.database import open_sync, transaction
db = open_sync(Path(sys.argv[1]))
while run := aggregates.next_run(db, 3_000, 1_000):
    for start in range(0, run.rows, 20):
        with transaction(db):
            aggregates.add(db, run, start, min(start + 20, run.rows))
        print(start, flush=True)
    with transaction(db):
        aggregates.finish(db, run)
"""


def total(path: Path) -> int:
    """How many values all of time has."""
    with closing(open_sync(path)) as db:
        return sum(b.total for b in series.buckets(db, [1], Span(0, WHOLE), WHOLE))


@pytest.mark.parametrize("after", [1, 70, 120])
def test_a_fold_that_was_killed(tmp_path: Path, after: int) -> None:
    """`kill -9` after some slices, then the next fold goes on: no frame twice, none left out."""
    path = tmp_path / "a.db"
    with closing(open_sync(path)) as db, transaction(db):
        db.execute(
            "INSERT INTO series (id, type, device, channel) VALUES (1, 'telemetry', 'k', 'a')"
        )
        one = Series(1, "telemetry", "k", "a")
        batch.append(db, 1, [(one, n * 7_001, "1", "") for n in range(FRAMES)], ())
    command = [sys.executable, "-c", FOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as folding:
        assert folding.stdout is not None
        for _ in range(after):
            folding.stdout.readline()
        folding.kill()
    assert folding.returncode == -signal.SIGKILL
    assert total(path) == FRAMES
    with closing(open_sync(path)) as db:
        while run := aggregates.next_run(db, history.newest(db), 1_000):
            for start in range(0, run.rows, 500):
                with transaction(db):
                    aggregates.add(db, run, start, min(start + 500, run.rows))
            with transaction(db):
                aggregates.finish(db, run)
        sums = db.execute("SELECT level, sum(count), sum(sum) FROM aggregates GROUP BY level")
        assert sums.fetchall() == [(level, FRAMES, FRAMES) for level in range(3)]
    assert total(path) == FRAMES

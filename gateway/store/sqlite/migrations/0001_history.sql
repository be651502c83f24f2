-- Facts about this database: epoch (its name), floor (history begins after this seq), seq (never below this),
-- folded (frames_by_time is complete up to this seq).
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(8)))), ('floor', 0), ('seq', 0), ('folded', 0);

-- Every stream of frames. A removed device's series are hidden: a new device of that id does not inherit them.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    device TEXT NOT NULL,
    channel TEXT NOT NULL,
    hidden INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX series_by_name ON series (device, channel, type) WHERE NOT hidden;

-- Frames in the order of the one sequence: appending costs the same however many devices and frames there are.
CREATE TABLE frames (
    seq INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    ts INTEGER NOT NULL,      -- ms since 1970 UTC
    value TEXT NOT NULL,      -- JSON, one line
    extra TEXT NOT NULL       -- what follows the value in the frame's JSON, or ''
);

-- The index by series and time, filled behind the writer in sorted slices (store/upkeep.py).
CREATE TABLE frames_by_time (
    series INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (series, ts, seq)
) WITHOUT ROWID;

-- When a seq was reached, about once a minute: retention by age needs no more.
CREATE TABLE marks (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL);

-- Messages that could not be translated; the newest are kept.
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    device TEXT,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL     -- its beginning
);

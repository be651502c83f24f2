-- Minutes, hours and days of every series, made where frames enter the index by time; each frame counts once
-- (store/sqlite/aggregates.py).
CREATE TABLE aggregates (
    series INTEGER NOT NULL,
    level INTEGER NOT NULL,   -- 0 minutes, 1 hours, 2 days
    bucket INTEGER NOT NULL,  -- its number since 1970 UTC
    count INTEGER NOT NULL,   -- of all values
    numbers INTEGER NOT NULL, -- of numbers and booleans, which are 0 and 1; the next three are of these
    sum REAL,
    min REAL,
    max REAL,
    first_ts INTEGER NOT NULL,
    first TEXT,               -- JSON; NULL where it is long
    last_ts INTEGER NOT NULL,
    last TEXT,
    PRIMARY KEY (series, level, bucket)
) WITHOUT ROWID;

-- Aggregates have every frame up to `upto`, and of those up to `run` the ones up to (series, ts, seq) in that order.
CREATE TABLE aggregated (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    upto INTEGER NOT NULL,
    run INTEGER NOT NULL,
    series INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    seq INTEGER NOT NULL
);
INSERT INTO aggregated VALUES (1, 0, 0, 0, 0, 0);

-- From when on nothing of a series was removed, in ms: of its frames, minutes, hours and days.
CREATE TABLE begins (
    series INTEGER PRIMARY KEY,
    frames INTEGER NOT NULL DEFAULT 0,
    minutes INTEGER NOT NULL DEFAULT 0,
    hours INTEGER NOT NULL DEFAULT 0,
    days INTEGER NOT NULL DEFAULT 0
);

-- An interface for other programs, see docs/history.md. `value` is JSON.
CREATE VIEW readings AS
    SELECT i.ts, strftime('%Y-%m-%dT%H:%M:%fZ', f.ts / 1000.0, 'unixepoch') AS time, s.device, s.channel, f.value,
        CASE WHEN f.value GLOB '[-0-9]*' THEN CAST(f.value AS REAL)
            WHEN f.value = 'true' THEN 1.0 WHEN f.value = 'false' THEN 0.0 END AS number,
        f.seq
    FROM series AS s JOIN frames_by_time AS i ON i.series = s.id JOIN frames AS f ON f.seq = i.seq
    WHERE s.type = 'telemetry' AND NOT s.hidden AND i.seq <= (SELECT value FROM meta WHERE key = 'folded')
    UNION ALL
    SELECT f.ts, strftime('%Y-%m-%dT%H:%M:%fZ', f.ts / 1000.0, 'unixepoch'), s.device, s.channel, f.value,
        CASE WHEN f.value GLOB '[-0-9]*' THEN CAST(f.value AS REAL)
            WHEN f.value = 'true' THEN 1.0 WHEN f.value = 'false' THEN 0.0 END,
        f.seq
    FROM frames AS f JOIN series AS s ON s.id = f.series
    WHERE f.seq > (SELECT value FROM meta WHERE key = 'folded') AND s.type = 'telemetry' AND NOT s.hidden;

CREATE VIEW latest AS
    WITH candidates AS (
        SELECT s.id AS series, (
            SELECT i.seq FROM frames_by_time AS i
            WHERE i.series = s.id AND i.seq <= (SELECT value FROM meta WHERE key = 'folded')
            ORDER BY i.ts DESC, i.seq DESC LIMIT 1
        ) AS seq
        FROM series AS s WHERE s.type = 'telemetry' AND NOT s.hidden
        UNION ALL
        SELECT series, seq FROM frames WHERE seq > (SELECT value FROM meta WHERE key = 'folded')
    ), ranked AS (
        SELECT f.*, row_number() OVER (PARTITION BY f.series ORDER BY f.ts DESC, f.seq DESC) AS place
        FROM candidates AS c JOIN frames AS f ON f.seq = c.seq
    )
    SELECT r.ts, strftime('%Y-%m-%dT%H:%M:%fZ', r.ts / 1000.0, 'unixepoch') AS time, s.device, s.channel, r.value,
        CASE WHEN r.value GLOB '[-0-9]*' THEN CAST(r.value AS REAL)
            WHEN r.value = 'true' THEN 1.0 WHEN r.value = 'false' THEN 0.0 END AS number,
        r.seq
    FROM ranked AS r JOIN series AS s ON s.id = r.series
    WHERE r.place = 1 AND s.type = 'telemetry' AND NOT s.hidden;

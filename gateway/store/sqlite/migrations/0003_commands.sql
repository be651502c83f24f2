-- What was sent to devices, each with its life. `number` is the order in which a device gets them.
CREATE TABLE commands (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,            -- JSON, one line
    state TEXT NOT NULL,            -- queued, sent, delivered, replied, expired, failed
    created INTEGER NOT NULL,       -- ms since 1970 UTC, as all times here
    expires INTEGER NOT NULL,
    changed INTEGER NOT NULL,       -- when it came into its state
    sender TEXT NOT NULL,           -- a principal's key, handler:..., rule:...
    idempotency_key TEXT,
    reply TEXT,                     -- JSON, one line
    error TEXT,                     -- why it failed
    answer_device TEXT,             -- the device that sent it, and what its MQTT 5 request asks of the answer
    answer_topic TEXT,
    answer_correlation BLOB
);
CREATE INDEX commands_unfinished ON commands (number) WHERE state IN ('queued', 'sent', 'delivered');
CREATE INDEX commands_by_key ON commands (number) WHERE idempotency_key IS NOT NULL;
CREATE INDEX commands_by_age ON commands (created);

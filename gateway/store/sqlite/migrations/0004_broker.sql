-- What the embedded broker keeps across a restart. Every row of a session goes when the session ends.
CREATE TABLE broker_sessions (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,        -- who signed in
    client_id TEXT NOT NULL,
    expiry INTEGER NOT NULL,  -- seconds that it outlives its connection
    left_at REAL              -- seconds since 1970; NULL while connected
);

CREATE TABLE broker_subscriptions (
    session INTEGER NOT NULL,
    text TEXT NOT NULL,       -- as the client wrote it, with $share/NAME/ if shared
    topic_filter TEXT NOT NULL,
    share TEXT,               -- NAME
    qos INTEGER NOT NULL,
    no_local INTEGER NOT NULL,
    retain_as_published INTEGER NOT NULL,
    retain_handling INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    PRIMARY KEY (session, text)
) WITHOUT ROWID;

-- Messages with QoS 1 and 2 on their way to a session. The packet id follows from the position.
CREATE TABLE broker_deliveries (
    session INTEGER NOT NULL,
    position INTEGER NOT NULL,
    step INTEGER NOT NULL,    -- 0 not sent, 1 may have been sent, 2 PUBREC has come
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    identifiers TEXT NOT NULL,  -- JSON
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    properties TEXT,          -- JSON
    expires REAL,             -- seconds since 1970
    PRIMARY KEY (session, position)
) WITHOUT ROWID;

-- Packet ids of QoS 2 messages that were taken in and not yet released.
CREATE TABLE broker_received (
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
) WITHOUT ROWID;

CREATE TABLE broker_retained (
    topic TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    qos INTEGER NOT NULL,
    properties TEXT,          -- JSON
    expires REAL              -- seconds since 1970
) WITHOUT ROWID;

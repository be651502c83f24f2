-- Who may do what. Times are ms since 1970 UTC. Keys, tokens, cookies and links are kept as SHA-256 only.

-- AUTOINCREMENT: `user:7` and `token:12` name a principal for ever, in the audit too.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name TEXT NOT NULL,
    password TEXT,            -- argon2id; NULL: no sign-in by password
    role TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    disabled INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- A device without an owner belongs to the admins. A user who owns devices cannot be removed.
CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    owner INTEGER REFERENCES users (id) ON DELETE RESTRICT,
    key_hash BLOB NOT NULL,
    grants TEXT NOT NULL,     -- JSON list of topic filters
    disabled INTEGER NOT NULL,
    style TEXT NOT NULL CHECK (style IN ('gateway', 'iotcommunicate')),
    state TEXT NOT NULL CHECK (state IN ('active', 'pending')),
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_owner ON devices (owner);

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    devices TEXT,             -- JSON list of device ids; NULL: all that the user sees
    expires INTEGER,
    created INTEGER NOT NULL,
    last_used INTEGER
) STRICT;
CREATE INDEX tokens_by_user ON tokens (user);

CREATE TABLE web_sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX web_sessions_by_user ON web_sessions (user);

-- One-time links: making the first admin, an invitation, a sign-in as a user.
CREATE TABLE links (
    hash BLOB PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('first-admin', 'invitation', 'sign-in')),
    email TEXT,               -- whom an invitation is for; NULL: whoever holds it
    role TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    user INTEGER REFERENCES users (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    address TEXT NOT NULL,
    detail TEXT NOT NULL,     -- a JSON object
    routine INTEGER NOT NULL  -- 1: sign-ins, failures, commands; however many come, the others stay
) STRICT;
CREATE INDEX audit_routine ON audit (id) WHERE routine = 1;
CREATE INDEX audit_rare ON audit (id) WHERE routine = 0;

-- What has changed since a revision: a running gateway reads it, whoever wrote (store/registry.py).
CREATE TABLE changes (
    rev INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    gone INTEGER NOT NULL
) STRICT;

CREATE TRIGGER device_added AFTER INSERT ON devices BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('device', new.id, 0);
END;
CREATE TRIGGER device_changed AFTER UPDATE ON devices BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('device', new.id, 0);
END;
CREATE TRIGGER device_gone AFTER DELETE ON devices BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('device', old.id, 1);
    UPDATE series SET hidden = 1 WHERE device = old.id AND NOT hidden;
END;

CREATE TRIGGER user_added AFTER INSERT ON users BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('user', new.id, 0);
END;
CREATE TRIGGER user_changed AFTER UPDATE ON users BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('user', new.id, 0);
END;
CREATE TRIGGER user_gone AFTER DELETE ON users BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('user', old.id, 1);
END;

-- Not on last_used, which changes all the time and decides nothing.
CREATE TRIGGER token_added AFTER INSERT ON tokens BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('token', new.id, 0);
END;
CREATE TRIGGER token_changed AFTER UPDATE OF hash, user, name, scope, devices, expires ON tokens BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('token', new.id, 0);
END;
CREATE TRIGGER token_gone AFTER DELETE ON tokens BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('token', old.id, 1);
END;

CREATE TRIGGER session_added AFTER INSERT ON web_sessions BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('session', new.id, 0);
END;
CREATE TRIGGER session_gone AFTER DELETE ON web_sessions BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('session', old.id, 1);
END;

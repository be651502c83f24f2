-- A message that waits for many sessions is stored once; its deliveries name it by a hash of what it is.
CREATE TABLE broker_messages (
    id BLOB PRIMARY KEY,      -- BLAKE2b of the other columns, 16 bytes; of older rows at random
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    properties TEXT,          -- JSON
    expires REAL              -- seconds since 1970
) WITHOUT ROWID;

ALTER TABLE broker_deliveries ADD COLUMN message BLOB;
UPDATE broker_deliveries SET message = randomblob(16);
INSERT INTO broker_messages SELECT message, topic, payload, properties, expires FROM broker_deliveries;
ALTER TABLE broker_deliveries DROP COLUMN topic;
ALTER TABLE broker_deliveries DROP COLUMN payload;
ALTER TABLE broker_deliveries DROP COLUMN properties;
ALTER TABLE broker_deliveries DROP COLUMN expires;
CREATE INDEX broker_deliveries_by_message ON broker_deliveries (message);

-- It goes with the last of its deliveries.
CREATE TRIGGER delivery_gone AFTER DELETE ON broker_deliveries BEGIN
    DELETE FROM broker_messages WHERE id = old.message
        AND NOT EXISTS (SELECT 1 FROM broker_deliveries WHERE message = old.message);
END;

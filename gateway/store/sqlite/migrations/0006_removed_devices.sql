-- A new device of a removed one's id, which may be somebody else's, inherits nothing: no retained message, no broker
-- session with what is queued in it, and its owner does not see what of the old one was rejected.
DROP TRIGGER device_gone;
CREATE TRIGGER device_gone AFTER DELETE ON devices BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('device', old.id, 1);
    UPDATE series SET hidden = 1 WHERE device = old.id AND NOT hidden;
    UPDATE rejected SET device = NULL WHERE device = old.id;
    DELETE FROM broker_retained WHERE topic = 'devices/' || old.id
        OR (topic > 'devices/' || old.id || '/' AND topic < 'devices/' || old.id || '0');  -- 0 comes after /
    DELETE FROM broker_subscriptions
        WHERE session IN (SELECT number FROM broker_sessions WHERE key = 'device:' || old.id);
    DELETE FROM broker_deliveries
        WHERE session IN (SELECT number FROM broker_sessions WHERE key = 'device:' || old.id);
    DELETE FROM broker_received
        WHERE session IN (SELECT number FROM broker_sessions WHERE key = 'device:' || old.id);
    DELETE FROM broker_sessions WHERE key = 'device:' || old.id;
END;

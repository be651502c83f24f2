-- What a device is: children of hubs, conventions with their roots, and what is said of a device.
ALTER TABLE devices ADD COLUMN parent TEXT REFERENCES devices (id) ON DELETE CASCADE;
ALTER TABLE devices ADD COLUMN convention TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN root TEXT NOT NULL DEFAULT '';
CREATE INDEX devices_by_parent ON devices (parent) WHERE parent IS NOT NULL;

-- Three sources, each a JSON object; they are merged where they are read.
CREATE TABLE abouts (
    id TEXT PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    known TEXT NOT NULL,      -- by the convention
    said TEXT NOT NULL,       -- by the device
    edits TEXT NOT NULL       -- by a person
) STRICT, WITHOUT ROWID;

CREATE TRIGGER about_added AFTER INSERT ON abouts BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('about', new.id, 0);
END;
CREATE TRIGGER about_changed AFTER UPDATE ON abouts BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('about', new.id, 0);
END;
CREATE TRIGGER about_gone AFTER DELETE ON abouts BEGIN
    INSERT INTO changes (kind, key, gone) VALUES ('about', old.id, 1);
END;

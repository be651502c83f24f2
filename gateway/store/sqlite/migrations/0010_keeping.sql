-- The newest frame of a series that was removed by a time of its own: after it, history has all of its frames.
ALTER TABLE begins ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX begins_thinned ON begins (thinned) WHERE thinned > 0;

-- The will of a session that outlives its connection: JSON, while it may still have to be published.
ALTER TABLE broker_sessions ADD COLUMN will TEXT;

-- What a session owes as a member of a shared subscription goes to another one when the session ends.
ALTER TABLE broker_deliveries ADD COLUMN share TEXT;  -- with $share; NULL where it is for this session alone

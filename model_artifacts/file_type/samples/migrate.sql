BEGIN TRANSACTION;
ALTER TABLE users ADD COLUMN last_seen TIMESTAMP;
UPDATE users SET last_seen = (SELECT MAX(at) FROM visits WHERE visits.user_id = users.id);
CREATE INDEX users_last_seen ON users (last_seen);
INSERT INTO migrations (name) VALUES ('0042_last_seen');
COMMIT;

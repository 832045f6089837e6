-- Tables of the yardstick: one authorisation as a plain PostgreSQL application would keep it.
CREATE TABLE yard_request (key bigint PRIMARY KEY, answer text);
CREATE TABLE yard_token (token bigint PRIMARY KEY, card bigint NOT NULL, atc int NOT NULL DEFAULT 0);
CREATE TABLE yard_account (card bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE yard_journal (key bigint PRIMARY KEY, card bigint NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), message bytea NOT NULL);
INSERT INTO yard_token SELECT i, i, 0 FROM generate_series(1, 10000) i;
INSERT INTO yard_account SELECT i, 1000000000000 FROM generate_series(1, 10000) i;
VACUUM ANALYZE;

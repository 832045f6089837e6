-- One authorisation in seven round trips: the yardstick of P1 (pgbench -M prepared -c 32, fsync and synchronous_commit on).
\set key random(1, 1000000000000000)
\set token random(1, 10000)
\set amount random(1, 100000)
BEGIN;
INSERT INTO yard_request (key, answer) VALUES (:key, '00') ON CONFLICT DO NOTHING;
SELECT card FROM yard_token WHERE token = :token;
UPDATE yard_token SET atc = atc + 1 WHERE token = :token AND atc < 2000000000;
UPDATE yard_account SET balance = balance - :amount WHERE card = :token AND balance >= :amount;
INSERT INTO yard_journal (key, card, amount, message) VALUES (:key, :token, :amount, decode('0200703c04c020c09a111681990100000001230000000000000088000000010720010072000010000001393930303331303538313230303031313536015a9f2608a1a2a3a4a5a6a7a89f2701809f101307010103a0a00001', 'hex'));
COMMIT;

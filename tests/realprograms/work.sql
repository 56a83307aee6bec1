-- One long transaction: it is saved in the middle of it.
PRAGMA journal_mode = WAL;
PRAGMA cache_size = 50;
-- Enough text to have the output file written before the long part begins.
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT 'line', i FROM n;
BEGIN;
CREATE TABLE t (i INTEGER PRIMARY KEY, a INTEGER, b TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO t SELECT i, i * 7919 % 10007, hex(i * 31 % 65537) FROM n;
CREATE INDEX x ON t (a, b);
UPDATE t SET b = b || a WHERE i % 3 = 0;
DELETE FROM t WHERE a % 11 = 0;
COMMIT;
SELECT count(*), sum(a), sum(length(b)), min(b), max(b) FROM t;
PRAGMA integrity_check;

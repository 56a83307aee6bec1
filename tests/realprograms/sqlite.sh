# A transaction that a data base reads from a FIFO, left open between its parts.
set -eu
mkfifo commands
sqlite3 -batch data <commands &
exec 3>commands
echo 'PRAGMA journal_mode = WAL; CREATE TABLE t (i INTEGER PRIMARY KEY, a INTEGER); BEGIN;' >&3
part=0
while [ $part -lt 30 ]; do
  echo "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT $part * 3000 + i, ($part * 3000 + i) * 7919 % 3001 FROM n; SELECT $part;" >&3
  part=$((part + 1))
  sleep 0.1
done
echo 'COMMIT; SELECT count(*), sum(a), sum(i % 3001) FROM t; PRAGMA integrity_check;' >&3
exec 3>&-
wait $!

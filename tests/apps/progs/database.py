"""sqlite3 connections, in memory and on disk, in the middle of transactions and with open cursors."""
import os
import sqlite3
import sys

from common import held, noise, step


def main(path):
    db = sqlite3.connect(path)
    db.create_function("twist", 1, lambda x: x * 7 % 1013)
    db.execute("pragma cache_size = 20")
    # A journal on disk that is made after the checkpoint is still there after a kill and a restart,
    # and SQLite would then take back changes by it that are not in the database any more.
    db.execute("pragma journal_mode = memory").fetchall()
    db.execute("create table t (id integer primary key, x integer, s text)")
    numbers = noise(3)
    for i in range(300):
        db.execute("insert into t (x, s) values (?, ?)", (next(numbers) % 1000, "row %d" % i * 10))
        if i == 100:
            held(db)
        if i % 10 == 9:
            db.commit()
        if i % 37 == 36:
            db.rollback()
        if i % 10 in (0, 9) or i % 37 == 36:
            cursor = db.execute("select x from t order by x desc")
        step(i, db.in_transaction, cursor.fetchone(),
             db.execute("select count(*), sum(twist(x)) from t").fetchone())
    db.commit()
    step(db.execute("pragma integrity_check").fetchone())
    for row in db.execute("select x, count(*), sum(length(s)) from t group by x % 10"):
        step(row)
    db.close()
    if path != ":memory:":
        db = sqlite3.connect(path)
        step(db.execute("select count(*), sum(x) from t").fetchone())
        db.close()
        os.unlink(path)


if sys.argv[1:] == ["disk"]:
    main("database.sqlite")
else:
    main(":memory:")

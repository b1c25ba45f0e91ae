-- Fed to the sqlite3 shell: a database on disk (its journal in memory, see database.py), transactions,
-- long recursive queries.
pragma journal_mode = memory;
create table t (id integer primary key, x integer, s text);
create index t_x on t (x);
begin; with recursive n(i, x) as (select 1, 1 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 0, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 2 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 1, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 3 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 2, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 4 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 3, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 5 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 4, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 6 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 5, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 7 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 6, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 8 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 7, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 9 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 8, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 10 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 9, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 11 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 10, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 12 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 11, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 13 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 12, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 14 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 13, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 15 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 14, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 16 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 15, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 17 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 16, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 18 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 17, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 19 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 18, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 20 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 19, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 21 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 20, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 22 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 21, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 23 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 22, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 24 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 23, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 25 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 24, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 26 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 25, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 27 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 26, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 28 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 27, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 29 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 28, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 30 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 29, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 31 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 30, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 32 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 31, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 33 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 32, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 34 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 33, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 35 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 34, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 36 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 35, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 37 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 36, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 38 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 37, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 39 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 38, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 40 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 39, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 41 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 40, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 42 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 41, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 43 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 42, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 44 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 43, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 45 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 44, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 46 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 45, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 47 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 46, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 48 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 47, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 49 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 48, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 50 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 49, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 51 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 50, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 52 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 51, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 53 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 52, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 54 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 53, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 55 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 54, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 56 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 55, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 57 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 56, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 58 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 57, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 59 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 58, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 60 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 59, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 61 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 60, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 62 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 61, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 63 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 62, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 64 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 63, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 65 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 64, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 66 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 65, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 67 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 66, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 68 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 67, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 69 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 68, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 70 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 69, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 71 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 70, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 72 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 71, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 73 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 72, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 74 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 73, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 75 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 74, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 76 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 75, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 77 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 76, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 78 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 77, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 79 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 78, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 80 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 79, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 81 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 80, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 82 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 81, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 83 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 82, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 84 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 83, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 85 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 84, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 86 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 85, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 87 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 86, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 88 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 87, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 89 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 88, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 90 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 89, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 91 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 90, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 92 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 91, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 93 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 92, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 94 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 93, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 95 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 94, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 96 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 95, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 97 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 96, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 98 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 97, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 99 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 98, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 100 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 99, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 101 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 100, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 102 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 101, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 103 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 102, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 104 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 103, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 105 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 104, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 106 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 105, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 107 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 106, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 108 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 107, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 109 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 108, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 110 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 109, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 111 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 110, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 112 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 111, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 113 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 112, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 114 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 113, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 115 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 114, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 116 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 115, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 117 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 116, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 118 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 117, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 119 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 118, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 120 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 119, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 121 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 120, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 122 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 121, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 123 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 122, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 124 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 123, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 125 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 124, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 126 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 125, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 127 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 126, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 128 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 127, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 129 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 128, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 130 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 129, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 131 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 130, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 132 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 131, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 133 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 132, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 134 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 133, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 135 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 134, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 136 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 135, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 137 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 136, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 138 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 137, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 139 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 138, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 140 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 139, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 141 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 140, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 142 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 141, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 143 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 142, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
begin; with recursive n(i, x) as (select 1, 144 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 143, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 3;
begin; with recursive n(i, x) as (select 1, 145 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 144, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 4;
begin; with recursive n(i, x) as (select 1, 146 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 145, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 5;
begin; with recursive n(i, x) as (select 1, 147 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 146, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 6;
begin; with recursive n(i, x) as (select 1, 148 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 147, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 0;
begin; with recursive n(i, x) as (select 1, 149 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 148, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 1;
begin; with recursive n(i, x) as (select 1, 150 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 3000)
  insert into t (x, s) select x % 5000, 'row ' || x from n; commit;
select 149, count(*), sum(x), max(s) from t;
select x, count(*) from t group by x order by 2 desc, 1 limit 2;
delete from t where x % 7 = 2;
pragma integrity_check;

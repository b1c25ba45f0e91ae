-- Fed to the sqlite3 shell: a database on disk, transactions, long recursive queries.
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
pragma integrity_check;

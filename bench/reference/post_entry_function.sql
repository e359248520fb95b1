-- An entry of two debits and two credits, as one call.
\set a random(1, 16)
\set b random(1, 16)
\set c random(1, 16)
\set d random(1, 16)
\set x random(100, 100000)
\set y random(100, 100000)
BEGIN;
SELECT reference.post_entry(ARRAY[:a, :b, :c, :d]::int[], ARRAY[:x, :y, :y, :x]::numeric[]);
COMMIT;

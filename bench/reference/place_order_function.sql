-- An order of three lines, as one call. The three are of different thirds of the catalog, so they always differ.
\set a random(1, :variants / 3)
\set b random(:variants / 3 + 1, :variants / 3 * 2)
\set c random(:variants / 3 * 2 + 1, :variants)
BEGIN;
SELECT reference.place_order(ARRAY[:a, :b, :c]::int[]);
COMMIT;

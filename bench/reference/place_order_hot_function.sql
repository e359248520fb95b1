-- An order of one line, of the variant that everybody wants, as one call.
BEGIN;
SELECT reference.place_order(ARRAY[:variants]::int[]);
COMMIT;

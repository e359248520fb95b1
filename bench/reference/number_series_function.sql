-- The next number without a gap, as one statement.
BEGIN;
WITH taken AS (
  UPDATE reference.number_series SET last = last + 1 WHERE kind = 'INVOICE' AND year = 2026 RETURNING last)
INSERT INTO reference.document_numbers (kind, year, n, document) SELECT 'INVOICE', 2026, last, uuidv7() FROM taken;
COMMIT;

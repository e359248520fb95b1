-- The next number without a gap: the plain counter, and a row that keeps it.
BEGIN;
UPDATE reference.number_series SET last = last + 1 WHERE kind = 'INVOICE' AND year = 2026 RETURNING last AS n \gset
INSERT INTO reference.document_numbers (kind, year, n, document) VALUES ('INVOICE', 2026, :n, uuidv7());
COMMIT;

"""Mechanism without a business noun: work, rows, money, events, idempotency, listing, errors, settings, Postgres."""

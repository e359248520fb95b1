"""Subscriptions: one tail of the event log per process, fanned out to everyone who watches."""

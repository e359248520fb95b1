"""The typed schema: one file per capability, written with the kit."""

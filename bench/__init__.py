"""How fast Waterline is, beside what is known to be fast: one run, one machine, one database."""

"""How the database came to its present shape, one step a file, and the verb that brings one up to date."""

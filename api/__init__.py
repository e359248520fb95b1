"""Everything a caller touches: the GraphQL schema, the HTTP doors and the command line. Holds no business rule."""

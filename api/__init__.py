"""Everything a caller touches: the GraphQL schema, the HTTP doors and the command line. Holds no business rule."""

import gc

COLLECTED_AFTER = (50_000, 20, 50)
"""When the collector looks for cycles (see the gc module): an answer is many objects and no cycle, so not for each. Nor
does it look, while everything is imported, at what has been so far.
"""
gc.set_threshold(*COLLECTED_AFTER)

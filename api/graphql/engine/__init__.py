"""Compiles a GraphQL document once, and runs it at the speed of its SQL. See README.md for one example from end to end.

`plan` makes an `Operation` of a validated document, or raises Unplannable; its `query`, `mutation` and `subscription`
run it.
"""

from api.graphql.engine.operation import Operation, plan
from api.graphql.engine.unplannable import Unplannable

__all__ = ["Operation", "Unplannable", "plan"]

"""Enums of the domain in the schema: described by the docstrings behind their members."""

from enum import Enum
from typing import TypeVar

import strawberry

from api.graphql.kit.docs import attribute_docs, first_paragraph

Published = TypeVar("Published", bound=type[Enum])


def published(declared: Published) -> Published:
    """The enum as a GraphQL enum of the same name. Said once or often, it is one type."""
    if not hasattr(declared, "__strawberry_definition__"):
        strawberry.enum(declared, name=declared.__name__, description=first_paragraph(declared.__doc__))
        docs = attribute_docs(declared)
        for value in declared.__strawberry_definition__.values:  # type: ignore[attr-defined]
            value.description = first_paragraph(docs.get(value.name))
    return declared

"""Every table of the house in one import: for migrations, grants and whoever needs the whole metadata."""

from domain.kernel.rows import Row

metadata = Row.metadata

__all__ = ["metadata"]

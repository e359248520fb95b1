"""What the engine leaves to graphql-core."""


class Unplannable(Exception):  # noqa: N818  a reason, not a fault
    """A document that the engine does not plan. The reason is a label of the metric that counts them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

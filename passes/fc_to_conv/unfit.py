"""Why a node cannot be applied at every position."""

from cnnir.graph import Node


class Unfit(Exception):  # noqa: N818  no error of anybody's: it becomes a refusal
    """The node stays as it is, and with it the head that it belongs to.

    Attributes:
        reason: One sentence for the refusal.
        node: Which node.
    """

    def __init__(self, reason: str, node: Node) -> None:
        super().__init__(reason)
        self.reason = reason
        self.node = node

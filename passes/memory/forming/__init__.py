"""From a graph to a problem: what is one step, what shares bytes whatever the order, what may share them."""

from cnnir.passes.memory.forming.chains import Wish
from cnnir.passes.memory.forming.formation import form, reaches
from cnnir.passes.memory.forming.fusion import Fuse, Fusion, Group, Meeting, fuse
from cnnir.passes.memory.forming.kinds import is_pool, read_by, stored_operands
from cnnir.passes.memory.forming.model import Choices, Formation, Slice, Work
from cnnir.passes.memory.forming.strips import Strip

__all__ = [
    "Choices",
    "Formation",
    "Fuse",
    "Fusion",
    "Group",
    "Meeting",
    "Slice",
    "Strip",
    "Wish",
    "Work",
    "form",
    "fuse",
    "is_pool",
    "reaches",
    "read_by",
    "stored_operands",
]

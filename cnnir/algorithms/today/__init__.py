"""What the NumPy kernels of today allocate beside operands and results, in bytes: a rule for each op class.

The rules are upper bounds for operands that lie in row-major order, weights as they are. Arrays of data count, and what
NumPy buffers; Python's own objects (array headers, iterators: some KiB) do not, nor does what BLAS packs its operands
into, which is the process's and not the call's, nor what a weight takes that is made when it is asked for.
"""

from cnnir.algorithms.base import workspaces
from cnnir.algorithms.today import elementwise, moving, products, quantized, reducing, windows
from cnnir.ops import Einsum, Opaque

workspaces.exempt(Einsum, "NumPy chooses the order of the products and copies what it needs for them")
workspaces.exempt(Opaque, "computed by another library")

__all__ = ["elementwise", "moving", "products", "quantized", "reducing", "windows"]

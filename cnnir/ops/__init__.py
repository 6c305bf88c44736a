"""Every op that cnnir defines, one definition each."""

from collections.abc import Mapping

from cnnir.ops.activation import Clip, HardSigmoid, HardSwish, LeakyRelu, Relu, Sigmoid, Softmax, Tanh
from cnnir.ops.assembly import Concat, ConstantOfShape, Pad, Slice, Split
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Role, Source, infer
from cnnir.ops.convolution import Conv, ConvTranspose
from cnnir.ops.elementwise import Add, Cast, Div, Mul, Sub, Sum
from cnnir.ops.linear import Gemm, MatMul
from cnnir.ops.normalization import LRN, BatchNormalization
from cnnir.ops.opaque import Opaque
from cnnir.ops.pooling import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from cnnir.ops.reduction import ReduceMean
from cnnir.ops.resize import Resize
from cnnir.ops.rules import RuleTable
from cnnir.ops.shaping import Dropout, Flatten, Identity, Reshape, Squeeze, Transpose, Unsqueeze

DEFINED: tuple[type[Op], ...] = (
    *(Conv, ConvTranspose, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, Gemm, MatMul),
    *(BatchNormalization, LRN, Relu, LeakyRelu, Clip, Sigmoid, Tanh, HardSigmoid, HardSwish, Softmax),
    *(Add, Sub, Mul, Div, Sum, Cast, ReduceMean),
    *(Concat, Split, Slice, Pad, Resize, ConstantOfShape),
    *(Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Identity, Dropout),
)
"""Every op with a definition of its own."""

REGISTRY: Mapping[str, type[Op]] = {op_class.__name__: op_class for op_class in (*DEFINED, Opaque)}
"""Op classes by name."""

__all__ = [
    "DEFINED",
    "LRN",
    "REGISTRY",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Cost",
    "Div",
    "Dropout",
    "Facts",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "Inputs",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "Op",
    "Opaque",
    "Operand",
    "Pad",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Role",
    "RuleTable",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Source",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "infer",
]

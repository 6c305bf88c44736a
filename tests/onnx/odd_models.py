"""Models that are small, legal and unusual: each is one thing that exporters do and readers stumble over."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from cnnir.weights import AnyArray

FLOAT, INT64, BOOL, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING

Feed = dict[str, AnyArray]
Case = tuple[ModelProto, Feed]
Make = Callable[[], Case]

CASES: dict[str, Make] = {}

YES, NO = np.ones((), np.bool_), np.zeros((), np.bool_)


def case(make: Make) -> Make:
    """Register a model with the values that are fed to it."""
    CASES[make.__name__.replace("_", " ")] = make
    return make


def numbers(*shape: int, seed: int = 0) -> AnyArray:
    """Seeded random numbers."""
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def info(name: str, shape: Sequence[int | str] | None, dtype: int = FLOAT) -> ValueInfoProto:
    """A value of a tensor type."""
    return helper.make_tensor_value_info(name, dtype, shape)


def graph_of(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto] = (),
    outputs: Sequence[ValueInfoProto] = (),
    weights: Mapping[str, AnyArray] | None = None,
    name: str = "odd",
) -> GraphProto:
    """A graph of these parts."""
    stored = [numpy_helper.from_array(contents, key) for key, contents in (weights or {}).items()]
    return helper.make_graph(list(nodes), name, list(inputs), list(outputs), stored)


def model_of(graph: GraphProto, opset: int = 17, ir_version: int = 8, **domains: int) -> ModelProto:
    """A model of this graph; domains by name with their versions."""
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(*entry) for entry in domains.items())]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    """A node without a name; operands and results separated by blanks."""
    return helper.make_node(op_type, inputs.split(), outputs.split(), **attributes)


# Interfaces


@case
def an_output_that_is_an_input() -> Case:
    nodes = [node("Relu", "x", "y")]
    return model_of(graph_of(nodes, [info("x", [2, 3])], [info("y", [2, 3]), info("x", [2, 3])])), {"x": numbers(2, 3)}


@case
def nothing_but_an_input() -> Case:
    return model_of(graph_of([], [info("x", [2, 3])], [info("x", [2, 3])])), {"x": numbers(2, 3)}


@case
def an_output_that_is_a_weight() -> Case:
    nodes = [node("Add", "x w", "y")]
    graph = graph_of(nodes, [info("x", [2, 3])], [info("y", [2, 3]), info("w", [3])], {"w": numbers(3)})
    return model_of(graph), {"x": numbers(2, 3)}


@case
def nothing_but_weights() -> Case:
    return model_of(graph_of([], [], [info("w", [3])], {"w": numbers(3)})), {}


@case
def an_output_that_a_node_makes_of_weights() -> Case:
    nodes = [node("Constant", "", "c", value_floats=[1.0, 2.0]), node("Identity", "c", "d"), node("Add", "x d", "y")]
    return model_of(graph_of(nodes, [info("x", [2])], [info("y", [2]), info("d", [2])])), {"x": numbers(2)}


@case
def unused_inputs_and_weights() -> Case:
    graph = graph_of(
        [node("Relu", "x", "y")], [info("idle", [5]), info("x", [2]), info("free", ["M"])], [info("y", [2])],
        {"spare": numbers(4)},
    )  # fmt: skip
    return model_of(graph), {"idle": numbers(5), "x": numbers(2), "free": numbers(3)}


@case
def scalars_in_and_out() -> Case:
    nodes = [node("Mul", "x s", "m"), node("ReduceSum", "m", "y", keepdims=0), node("Sqrt", "s", "z")]
    graph = graph_of(
        nodes, [info("x", [2, 3]), info("s", [])], [info("y", []), info("z", [])], {"w": np.asarray(2.0, np.float32)}
    )
    return model_of(graph), {"x": numbers(2, 3), "s": np.asarray(2.5, np.float32)}


@case
def a_scalar_weight() -> Case:
    graph = graph_of([node("Mul", "x w", "y")], [info("x", [])], [info("y", [])], {"w": np.asarray(2.0, np.float32)})
    return model_of(graph), {"x": np.asarray(1.5, np.float32)}


@case
def dims_of_zero() -> Case:
    nodes = [node("Concat", "x e", "c", axis=1), node("Relu", "c", "y"), node("Conv", "n w", "z")]
    graph = graph_of(
        nodes, [info("x", [1, 2]), info("n", [0, 3, 8, 8])], [info("y", [1, 2]), info("z", [0, 4, 6, 6])],
        {"e": np.empty((1, 0), np.float32), "w": numbers(4, 3, 3, 3)},
    )  # fmt: skip
    return model_of(graph), {"x": numbers(1, 2), "n": np.empty((0, 3, 8, 8), np.float32)}


@case
def weights_that_are_inputs_in_version_3() -> Case:
    graph = graph_of(
        [node("Conv", "x w b", "c"), node("Relu", "c", "y")],
        [info("w", [4, 3, 3, 3]), info("b", [4]), info("x", [1, 3, 8, 8])], [info("y", [1, 4, 6, 6])],
        {"w": numbers(4, 3, 3, 3), "b": numbers(4)},
    )  # fmt: skip
    return model_of(graph, 9, 3), {"x": numbers(1, 3, 8, 8)}


@case
def an_input_with_a_default() -> Case:
    graph = graph_of(
        [node("Mul", "x w", "y")], [info("x", [2, 3]), info("w", [3])], [info("y", [2, 3])], {"w": numbers(3)}
    )
    return model_of(graph), {"x": numbers(2, 3)}


@case
def no_name_for_the_graph_and_none_for_nodes() -> Case:
    graph = graph_of([node("Relu", "x", "r"), node("Abs", "r", "y")], [info("x", [2])], [info("y", [2])])
    graph.name = "_"
    return model_of(graph), {"x": numbers(2)}


@case
def nodes_of_one_name() -> Case:
    nodes = [node("Relu", "x", "r", name="one"), node("Abs", "r", "a", name="one"), node("Neg", "a", "y", name="y")]
    return model_of(graph_of(nodes, [info("x", [2])], [info("y", [2])])), {"x": numbers(2)}


@case
def names_with_every_sign() -> Case:
    names = ["/model/0/in:0", "a b", "größe.ü", "汉字", 'quo"te', "back\\slash", "%1", "-", "(", "_", "given"]
    nodes = [
        helper.make_node(("Relu", "Abs", "Neg", "Exp")[index % 4], [old], [new], name=f"{new}/node:{index}")
        for index, (old, new) in enumerate(pairwise(names))
    ]
    return model_of(graph_of(nodes, [info(names[0], [2])], [info(names[-1], [2])])), {names[0]: numbers(2) * 0.1}


@case
def several_outputs_from_one_node() -> Case:
    nodes = [
        node("Split", "x", "a b c", axis=1), node("Relu", "b", "r"),
        node("TopK", "x k", "values indices", axis=1),
    ]  # fmt: skip
    graph = graph_of(
        nodes, [info("x", [2, 6])],
        [info("c", [2, 2]), info("r", [2, 2]), info("a", [2, 2]), info("indices", [2, 2], INT64)],
        {"k": np.array([2], np.int64)},
    )  # fmt: skip
    return model_of(graph), {"x": numbers(2, 6)}


# Weights of every kind


def _typed(name: str, code: int, opset: int, ir_version: int) -> None:
    def make() -> Case:
        dtype = helper.tensor_dtype_to_np_dtype(code)
        contents = (np.arange(6).reshape(2, 3) % 3 + 1).astype(np.float32).astype(dtype)
        nodes = [node("Cast", "w", "f", to=FLOAT), node("Mul", "x f", "y")]
        graph = graph_of(nodes, [info("x", [2, 3])], [info("y", [2, 3])], {"w": contents})
        return model_of(graph, opset, ir_version), {"x": numbers(2, 3)}

    CASES[f"{name} weights"] = make


for _name, _opset, _ir_version in (
    ("FLOAT16", 13, 7), ("BFLOAT16", 13, 7), ("DOUBLE", 13, 7), ("INT8", 13, 7), ("UINT8", 13, 7), ("UINT16", 13, 7),
    ("BOOL", 13, 7), ("FLOAT8E4M3FN", 19, 9), ("FLOAT8E5M2", 19, 9), ("FLOAT8E4M3FNUZ", 19, 9),
    ("FLOAT8E5M2FNUZ", 19, 9), ("UINT4", 21, 10), ("INT4", 21, 10), ("FLOAT4E2M1", 23, 11),
):  # fmt: skip
    _typed(_name, TensorProto.DataType.Value(_name), _opset, _ir_version)


@case
def weights_said_number_by_number() -> Case:
    stored = [
        TensorProto(name="f", data_type=FLOAT, dims=[3], float_data=[1, 2, 3]),
        TensorProto(name="h", data_type=TensorProto.FLOAT16, dims=[3], int32_data=[15360, 16384, 16896]),
        TensorProto(name="q", data_type=TensorProto.INT8, dims=[3], int32_data=[-1, 2, 3]),
        TensorProto(name="b", data_type=BOOL, dims=[3], int32_data=[1, 0, 1]),
        TensorProto(name="u", data_type=TensorProto.UINT32, dims=[3], uint64_data=[1, 2, 3]),
        TensorProto(name="d", data_type=TensorProto.DOUBLE, dims=[3], double_data=[1, 2, 3]),
    ]
    nodes = [node("Mul", "x f", "x1")]
    for index, name in enumerate("hqbud", 1):
        nodes += [node("Cast", name, f"{name}c", to=FLOAT), node("Add", f"x{index} {name}c", f"x{index + 1}")]
    graph = graph_of(nodes, [info("x", [3])], [info("x6", [3])])
    graph.initializer.extend(stored)
    return model_of(graph), {"x": numbers(3)}


@case
def a_sparse_weight() -> Case:
    graph = graph_of([node("MatMul", "x w", "y")], [info("x", [2, 4])], [info("y", [2, 3])])
    sparse = SparseTensorProto(dims=[4, 3])
    sparse.values.CopyFrom(numpy_helper.from_array(numbers(3), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1, 5, 9], np.int64), "w_places"))
    graph.sparse_initializer.append(sparse)
    return model_of(graph), {"x": numbers(2, 4)}


@case
def text_tensors() -> Case:
    words = np.array(["a", "größe", ""], object)
    nodes = [node("Equal", "s t", "same"), node("Identity", "t", "u"), node("Concat", "s u", "v", axis=0)]
    graph = graph_of(nodes, [info("s", [3], STRING)], [info("same", [3], BOOL), info("v", [6], STRING)], {"t": words})
    return model_of(graph, 19, 9), {"s": np.array(["a", "b", ""], object)}


@case
def sequences_and_optionals_inside() -> Case:
    nodes = [
        node("SplitToSequence", "x", "s", axis=1, keepdims=1), node("SequenceLength", "s", "n"),
        node("SequenceAt", "s one", "item"), node("ConcatFromSequence", "s", "back", axis=1),
        node("Relu", "item", "y"), node("Abs", "back", "z"),
    ]  # fmt: skip
    graph = graph_of(
        nodes, [info("x", [2, 3])], [info("y", None), info("z", None), info("n", [], INT64)],
        {"one": np.asarray(1, np.int64)},
    )  # fmt: skip
    return model_of(graph), {"x": numbers(2, 3)}


@case
def a_sequence_for_an_input() -> Case:
    nodes = [node("SequenceAt", "s at", "item"), node("Relu", "item", "y"), node("Identity", "s", "t")]
    inputs = [helper.make_tensor_sequence_value_info("s", FLOAT, [2]), info("at", [], INT64)]
    outputs = [info("y", [2]), helper.make_tensor_sequence_value_info("t", FLOAT, [2])]
    feed: Feed = {"s": [numbers(2), numbers(2, seed=1)], "at": np.asarray(1, np.int64)}  # type: ignore[dict-item]
    return model_of(graph_of(nodes, inputs, outputs)), feed


@case
def a_classifier_with_a_map_for_an_output() -> Case:
    zipmap = helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[7, 8, 9])
    element = helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
    nodes = [node("Softmax", "x", "p", axis=1), zipmap]
    outputs = [info("p", [2, 3]), helper.make_value_info("z", helper.make_sequence_type_proto(element))]
    return model_of(graph_of(nodes, [info("x", [2, 3])], outputs), 17, 8, **{"ai.onnx.ml": 3}), {"x": numbers(2, 3)}


# Subgraphs


def _branches(*pairs: tuple[str, Sequence[NodeProto], Mapping[str, AnyArray] | None, str]) -> dict[str, Any]:
    return {
        f"{name}_branch": graph_of(nodes, [], [info(out, [2, 2])], weights, name) for name, nodes, weights, out in pairs
    }


@case
def a_branch_that_reads_an_outer_weight_alone() -> Case:
    branches = _branches(("then", [node("Mul", "r w", "t")], None, "t"), ("else", [node("Add", "r v", "e")], None, "e"))
    nodes = [node("Relu", "x", "r"), helper.make_node("If", ["flag"], ["y"], name="choose", **branches)]
    graph = graph_of(
        nodes,
        [info("x", [2, 2]), info("flag", [], BOOL)],
        [info("y", [2, 2])],
        {"w": numbers(2, 2), "v": numbers(2, 2)},
    )
    return model_of(graph), {"x": numbers(2, 2), "flag": YES}


@case
def branches_that_use_each_others_names() -> Case:
    branches = _branches(
        ("then", [node("Abs", "r", "inner"), node("Mul", "inner w", "out")], {"w": numbers(2, 2, seed=1)}, "out"),
        ("else", [node("Neg", "r", "inner"), node("Add", "inner w", "out")], {"w": numbers(2, 2, seed=2)}, "out"),
    )
    nodes = [node("Relu", "x", "r"), helper.make_node("If", ["flag"], ["y"], **branches), node("Exp", "y", "z")]
    graph = graph_of(nodes, [info("x", [2, 2]), info("flag", [], BOOL)], [info("z", [2, 2])])
    return model_of(graph), {"x": numbers(2, 2), "flag": NO}


@case
def a_branch_inside_a_branch() -> Case:
    deep = _branches(("then", [node("Mul", "r w", "a")], None, "a"), ("else", [node("Sub", "r x", "b")], None, "b"))
    outer: dict[str, Any] = {
        "then_branch": graph_of(
            [helper.make_node("If", ["second"], ["c"], **deep)], [], [info("c", [2, 2])], None, "then"
        ),
        "else_branch": graph_of([node("Identity", "w", "d")], [], [info("d", [2, 2])], None, "else"),
    }
    nodes = [node("Relu", "x", "r"), helper.make_node("If", ["first"], ["y"], **outer)]
    graph = graph_of(
        nodes, [info("x", [2, 2]), info("first", [], BOOL), info("second", [], BOOL)], [info("y", [2, 2])],
        {"w": numbers(2, 2)},
    )  # fmt: skip
    return model_of(graph), {"x": numbers(2, 2), "first": YES, "second": NO}


@case
def a_loop_with_a_captured_value_and_weight() -> Case:
    body = graph_of(
        [node("Add", "state r", "sum"), node("Mul", "sum w", "next"), node("Identity", "go", "goes")],
        [info("i", [], INT64), info("go", [], BOOL), info("state", [2])],
        [info("goes", [], BOOL), info("next", [2]), info("sum", [2])], None, "body",
    )  # fmt: skip
    nodes = [
        node("BatchNormalization", "image s b m v", "n"), node("GlobalAveragePool", "n", "p"),
        node("Reshape", "p two", "r"),
        helper.make_node("Loop", ["times", "", "r"], ["last", "all"], body=body), node("Relu", "last", "y"),
    ]  # fmt: skip
    graph = graph_of(
        nodes, [info("image", [1, 2, 4, 4])], [info("y", [2]), info("all", [3, 2])],
        {"times": np.asarray(3, np.int64), "w": numbers(2), "two": np.array([2], np.int64), "s": numbers(2),
         "b": numbers(2, seed=1), "m": numbers(2, seed=2), "v": np.abs(numbers(2, seed=3)) + 1},
    )  # fmt: skip
    return model_of(graph), {"image": numbers(1, 2, 4, 4)}


@case
def a_scan_with_a_captured_weight() -> Case:
    body = graph_of(
        [node("Add", "state item", "sum"), node("Mul", "sum w", "next"), node("Identity", "next", "seen")],
        [info("state", [2]), info("item", [2])], [info("next", [2]), info("seen", [2])], None, "body",
    )  # fmt: skip
    scan = helper.make_node("Scan", ["start", "r"], ["last", "all"], body=body, num_scan_inputs=1)
    nodes = [node("Abs", "x", "r"), scan, node("Neg", "all", "y")]
    graph = graph_of(
        nodes, [info("x", [4, 2]), info("start", [2])], [info("last", [2]), info("y", [4, 2])], {"w": numbers(2)}
    )
    return model_of(graph), {"x": numbers(4, 2), "start": numbers(2, seed=4)}


@case
def branches_around_an_input_and_an_output() -> Case:
    branches = _branches(
        ("then", [node("Identity", "x", "t")], None, "t"), ("else", [node("Add", "y x", "e")], None, "e")
    )
    nodes = [node("Relu", "x", "y"), helper.make_node("If", ["flag"], ["z"], **branches)]
    graph = graph_of(nodes, [info("x", [2, 2]), info("flag", [], BOOL)], [info("y", [2, 2]), info("z", [2, 2])])
    return model_of(graph), {"x": numbers(2, 2), "flag": NO}


@case
def names_inside_that_hide_names_outside() -> Case:
    branches = _branches(
        ("then", [node("Abs", "r", "later"), node("Mul", "later v", "y2")], {"v": numbers(2, 2, seed=1)}, "y2"),
        ("else", [node("Neg", "w", "later"), node("Add", "later r", "y2")], None, "y2"),
    )
    nodes = [
        node("Relu", "x", "r"), helper.make_node("If", ["flag"], ["y"], **branches), node("Add", "y w", "later"),
        node("Neg", "later", "z"),
    ]  # fmt: skip
    graph = graph_of(nodes, [info("x", [2, 2]), info("flag", [], BOOL)], [info("z", [2, 2])], {"w": numbers(2, 2)})
    return model_of(graph), {"x": numbers(2, 2), "flag": YES}


@case
def a_branch_that_reads_what_folding_changes() -> Case:
    branches = _branches(("then", [node("Relu", "c", "t")], None, "t"), ("else", [node("Neg", "n", "e")], None, "e"))
    for branch in branches.values():
        branch.output[0].CopyFrom(info(branch.output[0].name, [1, 4, 6, 6]))
    nodes = [
        node("Conv", "x k", "c"), node("BatchNormalization", "c s b m v", "n"),
        helper.make_node("If", ["flag"], ["y"], **branches), node("Add", "y n", "z"),
    ]  # fmt: skip
    weights = {"k": numbers(4, 3, 3, 3), "s": numbers(4), "b": numbers(4, seed=1), "m": numbers(4, seed=2)}
    graph = graph_of(
        nodes, [info("x", [1, 3, 8, 8]), info("flag", [], BOOL)], [info("z", [1, 4, 6, 6])],
        {**weights, "v": np.abs(numbers(4, seed=3)) + 1},
    )  # fmt: skip
    return model_of(graph), {"x": numbers(1, 3, 8, 8), "flag": YES}


@case
def custom_ops_inside_of_a_branch_that_is_not_taken() -> Case:
    branches = _branches(
        ("then", [node("Abs", "r", "t")], None, "t"),
        ("else", [node("Gelu", "r", "e", domain="com.microsoft")], None, "e"),
    )
    nodes = [node("Neg", "x", "r"), helper.make_node("If", ["flag"], ["y"], **branches), node("Exp", "y", "z")]
    graph = graph_of(nodes, [info("x", [2, 2]), info("flag", [], BOOL)], [info("z", [2, 2])])
    return model_of(graph, **{"com.microsoft": 1}), {"x": numbers(2, 2), "flag": YES}


# Functions


def _with_functions(nodes: Sequence[NodeProto], *functions: Any, opset: int = 17) -> ModelProto:
    proto = model_of(graph_of(nodes, [info("x", [2, 4])], [info("y", [2, 4])]), opset, 10, own=1)
    proto.functions.extend(functions)
    return proto


def _function(name: str, nodes: Sequence[NodeProto], attributes: Sequence[str] = (), **options: Any) -> Any:
    imports = [helper.make_opsetid("", options.pop("opset", 17)), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], list(nodes), imports, list(attributes), **options)


@case
def nested_functions() -> Case:
    inner = _function("Inner", [node("Relu", "a", "t"), node("Exp", "t", "b")])
    outer = _function("Outer", [node("Inner", "a", "t", domain="own"), node("Inner", "t", "b", domain="own")])
    nodes = [node("Mul", "x x", "t"), node("Neg", "t", "n"), node("Outer", "n", "b", domain="own"),
             node("Outer", "b", "y", domain="own")]  # fmt: skip
    return _with_functions(nodes, inner, outer), {"x": numbers(2, 4)}


@case
def functions_with_attributes() -> Case:
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.append(AttributeProto(name="alpha", type=AttributeProto.FLOAT, ref_attr_name="slope"))
    soft = helper.make_node("Softmax", ["t"], ["b"])
    soft.attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="axis"))
    function = _function("F", [leaky, soft], ["slope"], attribute_protos=[helper.make_attribute("axis", 1)])
    nodes = [node("F", "x", "m", domain="own", slope=0.25), node("F", "m", "y", domain="own", slope=0.5, axis=0)]
    return _with_functions(nodes, function), {"x": numbers(2, 4)}


@case
def overloads() -> Case:
    one, two = _function("F", [node("Relu", "a", "b")]), _function("F", [node("Neg", "a", "b")])
    one.overload, two.overload = "one", "two"
    calls = [node("F", "x", "m", domain="own"), node("F", "m", "y", domain="own")]
    calls[0].overload, calls[1].overload = "two", "one"
    return _with_functions(calls, one, two), {"x": numbers(2, 4)}


@case
def a_function_of_an_older_opset() -> Case:
    old = _function("F", [node("Unsqueeze", "a", "t", axes=[0]), node("Squeeze", "t", "b", axes=[0])], opset=11)
    return _with_functions([node("F", "x", "y", domain="own")], old), {"x": numbers(2, 4)}


@case
def a_function_with_a_branch() -> Case:
    branches = _branches(("then", [node("Neg", "t", "p")], None, "p"), ("else", [node("Exp", "t", "q")], None, "q"))
    for branch in branches.values():
        branch.output[0].CopyFrom(info(branch.output[0].name, [2, 4]))
    nodes = [
        node("Relu", "a", "t"), node("ReduceSum", "a", "s", keepdims=0), node("Constant", "", "zero", value_float=0.0),
        node("Greater", "s zero", "c"), helper.make_node("If", ["c"], ["b"], **branches),
    ]  # fmt: skip
    calls = [node("F", "x", "t", domain="own"), node("F", "t", "y", domain="own")]
    return _with_functions(calls, _function("F", nodes)), {"x": numbers(2, 4)}


# What exporters of other frameworks write


@case
def a_keras_network_in_nhwc() -> Case:
    nodes = [
        node("Transpose", "image", "nchw", perm=[0, 3, 1, 2], name="model/conv1/Conv2D__6"),
        node("Conv", "nchw k b", "c", name="model/conv1/Conv2D", pads=[0, 0, 1, 1], strides=[2, 2]),
        node("Relu", "c", "r"), node("Transpose", "r", "nhwc", perm=[0, 2, 3, 1]),
        node("ReduceMean", "nhwc", "p", axes=[1, 2], keepdims=0), node("MatMul", "p d", "m"), node("Add", "m e", "y:0"),
    ]  # fmt: skip
    inputs = [info("image", ["unk__7", 9, 9, 3]), info("unused_a:0", []), info("unused_b:0", [3])]
    graph = graph_of(
        nodes, inputs, [info("y:0", ["unk__8", 5])],
        {"k": numbers(4, 3, 3, 3), "b": numbers(4), "d": numbers(4, 5), "e": numbers(5)},
    )  # fmt: skip
    feed = {"image": numbers(2, 9, 9, 3), "unused_a:0": numbers(), "unused_b:0": numbers(3)}
    return model_of(graph, 13, 7), feed


@case
def a_paddle_network() -> Case:
    nodes = [
        node("Constant", "", "k", value=numpy_helper.from_array(numbers(4, 3, 3, 3))),
        node("Constant", "", "shape", value=numpy_helper.from_array(np.array([1, 4, 1, 1], np.int64))),
        node("Constant", "", "bias", value=numpy_helper.from_array(numbers(4))),
        helper.make_node("Conv", ["x", "k"], ["c"], name="Conv.0", pads=[1, 1, 1, 1], dilations=[1, 1], group=1),
        node("Reshape", "bias shape", "b"), node("Add", "c b", "a"), node("HardSigmoid", "a", "h", alpha=0.2, beta=0.5),
        node("Mul", "a h", "m"), node("Shape", "m", "s"), node("Slice", "s zero one axis", "n"),
        node("Concat", "n rest", "t", axis=0), node("Reshape", "m t", "y"),
    ]  # fmt: skip
    constants = {"zero": [0], "one": [1], "axis": [0], "rest": [-1]}
    graph = graph_of(
        nodes, [info("x", ["p2o.DynamicDimension.0", 3, "p2o.DynamicDimension.1", 8])],
        [info("y", ["p2o.DynamicDimension.2", "p2o.DynamicDimension.3"])],
        {name: np.array(array, np.int64) for name, array in constants.items()},
    )  # fmt: skip
    return model_of(graph, 11, 7), {"x": numbers(2, 3, 6, 8)}


@case
def nodes_in_a_wrong_order() -> Case:
    nodes = [node("Neg", "r", "y"), node("Relu", "x", "r")]
    return model_of(graph_of(nodes, [info("x", [2])], [info("y", [2])])), {"x": numbers(2)}

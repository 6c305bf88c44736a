"""What the reader takes, what it refuses, and how."""

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnir
from cnnir import CnnirError
from cnnir.dims import format_dim, parse_dim, symbols
from cnnir.exporters.onnx import read, reader, write
from cnnir.exporters.onnx.order import executable_order
from cnnir.ops import Opaque
from cnnir.text import parse_graph, print_graph
from cnnir.types import OptionalType, SequenceType, TensorType, UnknownType
from cnnir.verify import verify
from cnnir.weights import AnyArray, Array, FileRange, Fill
from tests.broken_models import BROKEN, conv_model, write_good

FLOAT = TensorProto.FLOAT


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: list[TensorProto] | None = None,
    *,
    opset: int = 17,
    ir_version: int = 8,
) -> onnx.ModelProto:
    """A model of these parts."""
    graph = helper.make_graph(nodes, "parts", inputs, outputs, weights or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def tensor(name: str, shape: list[int | str] | None = None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    """A value of a tensor type."""
    return helper.make_tensor_value_info(name, dtype, shape)


def judged(proto: onnx.ModelProto, feed: dict[str, AnyArray]) -> None:
    """ONNX Runtime computes the model, and what we write of it, as the interpreter does."""
    graph = read(proto)
    verify(graph)
    found = graph.run(feed)
    for candidate in (proto, write(graph)):
        onnx.checker.check_model(candidate, full_check=True)
        session = onnxruntime.InferenceSession(candidate.SerializeToString(), providers=["CPUExecutionProvider"])
        for name, expected in zip(found, session.run(list(found), feed), strict=True):
            np.testing.assert_allclose(found[name], np.asarray(expected), rtol=1e-5, atol=1e-6)


def numbers(*shape: int) -> AnyArray:
    """Seeded random numbers."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


# Bad input


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input(kind: str, tmp_path: Path) -> None:
    """One line with code, node and hint."""
    spoil, code, node = BROKEN[kind]
    spoil(tmp_path / "model.onnx")
    with pytest.raises(CnnirError) as caught:
        cnnir.load(tmp_path / "model.onnx")
    assert caught.value.code == code
    assert caught.value.node is not None
    assert caught.value.node.endswith(node)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_channel_mismatch_tells_both_numbers(tmp_path: Path) -> None:
    """What onnx's own inference takes without a word."""
    BROKEN["channels"][0](tmp_path / "model.onnx")
    onnx.shape_inference.infer_shapes_path(str(tmp_path / "model.onnx"), str(tmp_path / "out.onnx"), strict_mode=True)
    with pytest.raises(
        CnnirError, match=r"conv1 \(Conv\): input has 3 channels, weight expects 5 \(expected 5, got 3\)"
    ):
        cnnir.load(tmp_path / "model.onnx")


def test_every_cut_of_a_file_is_refused_or_loads(tmp_path: Path) -> None:
    """Wherever a file is cut, the reader gives a graph or one clear line, never another exception."""
    data = conv_model().SerializeToString()
    for length in range(0, len(data), 3):
        (tmp_path / "cut.onnx").write_bytes(data[:length])
        try:
            verify(cnnir.load(tmp_path / "cut.onnx"))
        except CnnirError as error:
            assert "\n" not in str(error)  # noqa: PT017  a cut may also fall between two parts


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes(seed: int, tmp_path: Path) -> None:
    """The same for bytes that are not what they were."""
    data = bytearray(conv_model().SerializeToString())
    generator = np.random.default_rng(seed)
    for _ in range(25):
        spoilt = bytearray(data)
        spoilt[int(generator.integers(len(data)))] = int(generator.integers(256))
        (tmp_path / "spoilt.onnx").write_bytes(spoilt)
        try:
            verify(cnnir.load(tmp_path / "spoilt.onnx"))
        except CnnirError as error:
            assert "\n" not in str(error)  # noqa: PT017  most flips hit a weight and spoil nothing


def test_missing_file() -> None:
    """A file that is not there."""
    with pytest.raises(CnnirError, match="file-missing"):
        cnnir.load("nowhere.onnx")


# External data


def external(tmp_path: Path) -> Path:
    """The small network with its weights beside it."""
    proto = conv_model()
    onnx.save_model(
        proto, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return tmp_path / "model.onnx"


def test_external_data_is_read_when_used(tmp_path: Path) -> None:
    """A weight in another file is a range of it until somebody wants its contents."""
    graph = cnnir.load(external(tmp_path))
    assert isinstance(graph.value("w").weight, FileRange)
    inline = read(conv_model())
    feed = {"x": numbers(1, 3, 8, 8)}
    assert np.array_equal(graph.run(feed)["y"], inline.run(feed)["y"])


def test_external_data_too_short(tmp_path: Path) -> None:
    """A file that ends before the weight does."""
    path = external(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 8)
    with pytest.raises(CnnirError, match=r"w: weights.bin does not hold .* \[external-data\]"):
        cnnir.load(path)


def test_external_data_stays_in_its_folder(tmp_path: Path) -> None:
    """A model cannot make us read files from elsewhere."""
    proto = onnx.load(external(tmp_path), load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../weights.bin"
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(CnnirError, match="outside of the model's folder"):
        cnnir.load(tmp_path / "model.onnx")


def large_model() -> onnx.ModelProto:
    """A weight of several kilobytes, a small one, and a Reshape with its shape."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="matmul"),
        helper.make_node("Add", ["m", "b"], ["a"], name="add"),
        helper.make_node("Reshape", ["a", "s"], ["y"], name="reshape"),
    ]
    weights = {"w": numbers(8, 160), "b": numbers(160), "s": np.array([4, -1], np.int64)}
    stored = [numpy_helper.from_array(contents, name) for name, contents in weights.items()]
    return model(nodes, [tensor("x", [2, 8])], [tensor("y", [4, 80])], stored)


def test_save_with_external_data(tmp_path: Path) -> None:
    """Large weights beside the model read back the same, and a second save over the first leaves a whole pair."""
    graph = read(large_model())
    for _ in range(2):
        cnnir.save(graph, tmp_path / "out.onnx", external_data=True)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["out.onnx", "out.onnx.data"]
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    stored = onnx.load(tmp_path / "out.onnx", load_external_data=False).graph.initializer
    assert {one.name for one in stored if one.data_location == TensorProto.EXTERNAL} == {"w"}
    assert (tmp_path / "out.onnx.data").stat().st_size == 8 * 160 * 4
    feed = {"x": numbers(2, 8)}
    assert np.array_equal(cnnir.load(tmp_path / "out.onnx").run(feed)["y"], graph.run(feed)["y"])


def test_save_with_nothing_to_put_outside(tmp_path: Path) -> None:
    """Small weights stay in the model."""
    cnnir.save(read(conv_model()), tmp_path / "out.onnx", external_data=True)
    assert [file.name for file in tmp_path.iterdir()] == ["out.onnx"]


def test_save_over_the_file_that_the_weights_lie_in(tmp_path: Path) -> None:
    """A graph whose weights are read from a file can be written over that very file."""
    path = external(tmp_path)
    before = numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    graph = cnnir.load(path)
    cnnir.save(graph, path, external_data=True)
    assert np.array_equal(numpy_helper.to_array(onnx.load(path).graph.initializer[0]), before)
    (tmp_path / "weights.bin.new").write_bytes(b"\0" * before.nbytes)
    (tmp_path / "weights.bin.new").replace(tmp_path / "weights.bin")
    weight = graph.value("w").weight
    assert weight is not None
    assert np.array_equal(weight.array(), before), "what was loaded stays what it was"


def test_save_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    """No half-written file, and the old one as it was."""
    with pytest.raises(CnnirError, match="file-write"):
        cnnir.save(read(conv_model()), tmp_path / "no" / "such" / "folder.onnx")
    write_good(tmp_path / "old.onnx")
    before = (tmp_path / "old.onnx").read_bytes()
    with pytest.raises(CnnirError, match="opset"):
        cnnir.save(read(conv_model()), tmp_path / "old.onnx", opset=99)
    assert (tmp_path / "old.onnx").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["old.onnx"]


# Weights that nodes make


def test_fill_stays_a_fill() -> None:
    """ConstantOfShape is folded to an expression, goes through Reshape and Transpose as one, and leaves as one."""
    proto = model(
        [
            helper.make_node("ConstantOfShape", ["size"], ["big"], value=helper.make_tensor("v", FLOAT, [1], [0.5])),
            helper.make_node("Reshape", ["big", "square"], ["matrix"]),
            helper.make_node("Transpose", ["matrix"], ["turned"], perm=[1, 0]),
            helper.make_node("MatMul", ["x", "turned"], ["y"]),
        ],
        [tensor("x", [2, 1 << 20])],
        [tensor("y", [2, 8])],
        [
            numpy_helper.from_array(np.array([8 << 20], np.int64), "size"),
            numpy_helper.from_array(np.array([8, -1], np.int64), "square"),
        ],
    )
    graph = read(proto)
    assert isinstance(graph.value("turned").weight, Fill)
    written = write(graph)
    assert len(written.SerializeToString()) < 1000
    assert "ConstantOfShape" in [node.op_type for node in written.graph.node]
    judged(proto, {"x": numbers(2, 1 << 20)})


def test_initializers_that_are_inputs() -> None:
    """IR 3 lists weights among the inputs; they are weights, and the format's rule is kept on the way out."""
    proto = conv_model()
    proto.ir_version = 3
    proto.graph.input.insert(0, tensor("w", [4, 3, 3, 3]))
    graph = read(proto)
    assert [value.name for value in graph.inputs] == ["x"]
    written = write(graph)
    assert {value.name for value in written.graph.input} == {"x", "w"}
    onnx.checker.check_model(written, full_check=True)


# What is not ours


def test_opaque_node() -> None:
    """An op that we do not define is inferred, evaluated and exported by what defines it."""
    proto = model(
        [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Cosh", ["r"], ["e"], name="erf1"),
         helper.make_node("Relu", ["e"], ["y"])],
        [tensor("x", [1, 3, 4, 4])],
        [tensor("y", [1, 3, 4, 4])],
    )  # fmt: skip
    graph = read(proto)
    node = graph.node("erf1")
    assert isinstance(node.op, Opaque)
    assert str(node.output.type) == "float32[1, 3, 4, 4]"
    assert any("Cosh" in note for note in graph.notes)
    table = graph.table()
    assert table.totals.macs is None
    assert any("erf1" in reason for reason in table.reasons)
    judged(proto, {"x": numbers(1, 3, 4, 4)})
    plan = graph.plan()
    feed = {"x": numbers(1, 3, 4, 4)}
    assert np.array_equal(graph.run(feed, plan=plan)["y"], graph.run(feed)["y"])


def test_captured_values() -> None:
    """What a subgraph takes from outside counts as an operand of the node that holds it."""
    body = helper.make_graph([helper.make_node("Add", ["r", "w"], ["b"])], "then", [], [tensor("b", [2, 2])])
    other = helper.make_graph([helper.make_node("Mul", ["r", "w"], ["c"])], "else", [], [tensor("c", [2, 2])])
    proto = model(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("If", ["flag"], ["y"], name="if1", then_branch=body, else_branch=other),
        ],
        [tensor("x", [2, 2]), tensor("flag", [], TensorProto.BOOL)],
        [tensor("y", [2, 2])],
        [numpy_helper.from_array(numbers(2, 2), "w")],
    )
    graph = read(proto)
    assert {value.name for value in graph.node("if1").operands} == {"flag", "r", "w"}
    graph.plan().check(graph)
    for flag in (True, False):
        judged(proto, {"x": numbers(2, 2), "flag": np.array(flag)})


def test_unknown_types_are_carried() -> None:
    """A type that nobody knows loads, exports and is refused by name where a size is needed."""
    node = helper.make_node("Mystery", ["x"], ["m"], name="odd", domain="acme")
    proto = model([node, helper.make_node("Relu", ["m"], ["y"])], [tensor("x", [1, 4])], [tensor("y")])
    proto.opset_import.append(helper.make_opsetid("acme", 3))
    proto.graph.value_info.append(tensor("m"))  # a tensor of any rank
    graph = read(proto)
    assert isinstance(graph.value("m").type, UnknownType)
    assert write(read(write(graph))).SerializeToString() == write(graph).SerializeToString()
    with pytest.raises(CnnirError, match=r"odd \(acme::Mystery\): m has no size that could be planned"):
        graph.plan()
    assert graph.table().totals.bytes is None


def test_sequences_and_optionals() -> None:
    """Types that are no tensors are read, printed and written."""
    proto = model(
        [
            helper.make_node("SplitToSequence", ["x"], ["s"], axis=1),
            helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=1),
            helper.make_node("Optional", ["x"], ["o"]),
        ],
        [tensor("x", [1, 4])],
        [tensor("y"), helper.make_value_info("o", helper.make_optional_type_proto(tensor("x", [1, 4]).type))],
    )
    graph = read(proto)
    assert isinstance(graph.value("s").type, SequenceType)
    assert isinstance(graph.value("o").type, OptionalType)
    written = write(graph)
    assert print_graph(read(written)) == print_graph(graph)
    with pytest.raises(CnnirError, match="size-unknown"):
        graph.plan()


def test_every_element_type_round_trips() -> None:
    """Inputs of all of ONNX's element types."""
    codes = [code for code in TensorProto.DataType.values() if code != TensorProto.UNDEFINED]
    inputs = [tensor(f"x{code}", [2, 3], code) for code in codes]
    outputs = [tensor(f"y{code}", [2, 3], code) for code in codes]
    nodes = [helper.make_node("Identity", [f"x{code}"], [f"y{code}"]) for code in codes]
    newest = onnx.defs.onnx_opset_version()
    graph = read(model(nodes, inputs, outputs, opset=newest, ir_version=onnx.IR_VERSION))
    assert all(isinstance(value.type, TensorType) for value in graph.values)
    written = write(graph)
    assert [value.type for value in written.graph.input] == [value.type for value in inputs]
    assert print_graph(read(written)) == print_graph(graph)


@pytest.mark.parametrize("name", ["UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2", "FLOAT6E2M3", "FLOAT6E3M2"])
def test_packed_weights_in_a_file(name: str, tmp_path: Path) -> None:
    """Packed elements are unpacked from another file as onnx itself unpacks them."""
    code = TensorProto.DataType.Value(name)
    values = np.arange(-1, 6).clip(0 if name.startswith("U") else -1, 1 if name == "INT2" else 3)
    packed = numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(code)), "w")
    nodes = [helper.make_node("Identity", ["w"], ["i"]), helper.make_node("Cast", ["i"], ["y"], to=FLOAT)]
    newest = onnx.defs.onnx_opset_version()
    proto = model(nodes, [], [tensor("y", [7])], [packed], opset=newest, ir_version=onnx.IR_VERSION)
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    graph = cnnir.load(tmp_path / "m.onnx")
    (weight,) = (value.weight for value in graph.weights)
    assert isinstance(weight, FileRange)
    assert np.array_equal(weight.array(), numpy_helper.to_array(packed))


# Names, metadata, versions


def test_metadata_survives() -> None:
    """What means nothing to us is written out as it came."""
    proto = conv_model()
    proto.producer_name, proto.producer_version, proto.domain, proto.model_version = "maker", "1.2", "org.example", 7
    proto.doc_string, proto.graph.doc_string = "a model", "a graph"
    helper.set_model_props(proto, {"author": "somebody", "licence": "none"})
    proto.graph.node[0].doc_string = "the first"
    proto.graph.node[0].metadata_props.add(key="place", value="here")
    proto.graph.metadata_props.add(key="stage", value="one")
    written = write(read(proto))
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props"):
        assert getattr(written, field) == getattr(proto, field)
    assert written.graph.doc_string == "a graph"
    assert written.graph.metadata_props == proto.graph.metadata_props
    assert written.graph.node[0].doc_string == "the first"
    assert written.graph.node[0].metadata_props == proto.graph.node[0].metadata_props
    assert [node.name for node in written.graph.node] == ["conv1", "relu1"]


def test_opset_is_kept_or_raised() -> None:
    """Only on request is another version written, and the format's version follows it."""
    graph = read(conv_model())
    assert [entry.version for entry in write(graph).opset_import] == [17]
    raised = write(graph, opset=22)
    assert [entry.version for entry in raised.opset_import] == [22]
    assert raised.ir_version >= 10
    onnx.checker.check_model(raised, full_check=True)
    assert write(graph, ir_version=10).ir_version == 10


@pytest.mark.parametrize("version", [-1, 0, 2, 7, onnx.IR_VERSION + 1, 999])
def test_format_versions_that_do_not_exist(version: int) -> None:
    """Nor is one written that is too old for the opset."""
    with pytest.raises(CnnirError, match=r"\[ir-version\]"):
        write(read(conv_model()), ir_version=version)


def test_format_version_that_the_file_had() -> None:
    """A file that claims less than its opset came with keeps its version."""
    proto = conv_model()
    proto.ir_version = 4
    assert write(read(proto), ir_version=4).ir_version == write(read(proto)).ir_version == 4
    assert write(read(proto), ir_version=onnx.IR_VERSION).ir_version == onnx.IR_VERSION


def test_what_is_said_of_values_survives() -> None:
    """Texts, key-value pairs and denotations of inputs, outputs, inner values and weights."""
    proto = conv_model()
    proto.graph.value_info.append(tensor("c", [1, 4, 6, 6]))
    infos = (proto.graph.input[0], proto.graph.output[0], proto.graph.value_info[0])
    for info in infos:
        info.doc_string = f"about {info.name}"
        info.metadata_props.add(key="unit", value=info.name)
        info.type.denotation = "IMAGE"
    for index, word in ((0, "DATA_BATCH"), (1, "DATA_CHANNEL"), (3, "DATA_FEATURE")):
        infos[0].type.tensor_type.shape.dim[index].denotation = word
    proto.graph.initializer[0].doc_string = "a kernel"
    proto.graph.initializer[0].metadata_props.add(key="trained", value="no")
    written = write(read(proto))
    assert written.graph.input[0] == infos[0]
    assert (written.graph.value_info[0], written.graph.initializer[0]) == (infos[2], proto.graph.initializer[0])
    assert (written.graph.output[0].doc_string, written.graph.output[0].type.denotation) == ("about y", "IMAGE")
    assert written.graph.output[0].metadata_props == infos[1].metadata_props
    assert write(read(written)) == written
    onnx.checker.check_model(written, full_check=True)
    graph = parse_graph(print_graph(read(proto)), {"w": numpy_weight(proto)})
    assert write(graph).graph == written.graph
    resized = write(read(proto).resize({"x": ["N", 3, 9, 9]}))
    assert resized.graph.input[0].type.tensor_type.shape.dim[1].denotation == "DATA_CHANNEL"


def numpy_weight(proto: onnx.ModelProto) -> Array:
    """The first initializer."""
    return Array.of(numpy_helper.to_array(proto.graph.initializer[0]))


def test_weights_that_nothing_reads() -> None:
    """They are left out, and the reader is told."""
    proto = conv_model()
    proto.graph.initializer.append(numpy_helper.from_array(numbers(2), "idle"))
    graph = read(proto)
    assert "1 weights that nothing reads are left out: idle" in graph.notes
    assert not any("nothing reads" in note for note in read(conv_model()).notes)


def test_nodes_of_one_name() -> None:
    """The second gets a number, and the reader is told."""
    proto = conv_model()
    for node in proto.graph.node:
        node.name = "dup"
    graph = read(proto)
    assert [node.name for node in graph.nodes] == ["dup", "dup_1"]
    assert "1 nodes bear the name of another and got a number: dup" in graph.notes


@pytest.mark.parametrize("name", ["batch-size", "batch size", "a-b-c", "N+1", "N - 1", "x/2", "größe"])
def test_names_of_dims_survive(name: str) -> None:
    """A hyphen between letters belongs to the name, whatever else stands in it."""
    proto = conv_model()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name
    graph = read(proto)
    (dim, *_) = graph.inputs[0].type.shape  # type: ignore[union-attr]
    assert len(symbols(dim)) == 1
    assert parse_dim(format_dim(dim)) == dim
    again = read(write(graph))
    assert print_graph(again) == print_graph(graph)
    assert write(again) == write(graph)
    if "+" not in name:
        assert write(graph).graph.input[0].type.tensor_type.shape.dim[0].dim_param == name


def function_model(version: int) -> onnx.ModelProto:
    """A call of a local function that was written in an opset of its own."""
    old = version < 13
    inner = helper.make_node("Squeeze", ["a"], ["b"], axes=[0]) if old else helper.make_node("Relu", ["a"], ["b"])
    call = helper.make_node("F", ["x"], ["y"], name="call", domain="own")
    proto = model([call], [tensor("x", [1, 4])], [tensor("y", [4] if old else [1, 4])])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(helper.make_function("own", "F", ["a"], ["b"], [inner], [helper.make_opsetid("", version)]))
    return proto


@pytest.mark.parametrize("version", [11, 13, 17])
def test_local_functions(version: int) -> None:
    """They are put in place, brought to the model's opset where theirs is another."""
    graph = read(function_model(version))
    assert not [node for node in graph.nodes if isinstance(node.op, Opaque)]
    onnx.checker.check_model(write(graph), full_check=True)
    x = numbers(1, 4)
    assert np.array_equal(graph.run({"x": x})["y"], x[0] if version < 13 else np.maximum(x, 0))


def left_alone(proto: onnx.ModelProto, *, convert_version: bool = False) -> onnx.ModelProto:
    """An inliner that finds nothing to do."""
    return proto


def test_local_functions_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the inliner leaves goes out as it came."""
    proto = function_model(17)
    monkeypatch.setattr(reader, "inline_local_functions", left_alone)
    graph = read(proto)
    written = write(graph)
    assert written.functions == proto.functions
    assert [(node.domain, node.op_type) for node in written.graph.node] == [("own", "F")]
    onnx.checker.check_model(written, full_check=True)
    assert write(read(written)) == written


def test_dropout_mask_without_a_type() -> None:
    """A second output that nobody reads and nobody typed."""
    proto = model(
        [helper.make_node("Dropout", ["x"], ["y", "mask"], ratio=0.5)],
        [tensor("x", [1, 4])], [tensor("y", [1, 4])], opset=9, ir_version=4,
    )  # fmt: skip
    graph = read(proto)
    assert [value.name for value in graph.values] == ["x", "y"]
    assert write(graph).graph.node[0].output == ["y", "mask"]


def test_nodes_out_of_order_are_sorted() -> None:
    """The file's order where it is executable, else one that is, and a note."""
    proto = conv_model()
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(nodes))
    graph = read(proto)
    assert [node.name for node in graph.nodes] == ["conv1", "relu1"]
    assert any("sorted" in note for note in graph.notes)


def test_declared_types_that_are_wrong_are_noted() -> None:
    """Inference wins over what the file says, and the reader is told."""
    proto = conv_model()
    proto.graph.value_info.append(tensor("c", [1, 4, 5, 5]))
    graph = read(proto)
    assert str(graph.value("c").type) == "float32[1, 4, 6, 6]"
    assert any("contradict" in note and "c" in note for note in graph.notes)


def test_symbolic_dims_round_trip() -> None:
    """Names of dims come in, travel through the network as expressions, and go out."""
    proto = conv_model()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    graph = read(proto)
    assert str(graph.value("y").type) == "float32[N, 4, H - 2, 6]"
    assert [str(one) for one in graph.constraints] == ["H >= 3"]
    assert print_graph(read(write(graph))) == print_graph(graph)
    feed = {"x": numbers(2, 3, 9, 8)}
    assert graph.run(feed)["y"].shape == (2, 4, 7, 6)
    with pytest.raises(CnnirError, match=r"conv1 \(Conv\): .*H >= 3"):
        graph.bind(H=2)


def test_a_shape_that_is_no_number() -> None:
    """A Reshape to a text is refused like any other contradiction."""
    proto = model(
        [helper.make_node("Reshape", ["x", "s"], ["y"], name="reshape1")],
        [tensor("x", [4])],
        [tensor("y")],
        [numpy_helper.from_array(np.array(["four"], object), "s")],
    )
    with pytest.raises(CnnirError, match=r"reshape1 \(Reshape\): its shape are no integers .*\[operand-dtype\]"):
        read(proto)


def test_a_long_file_in_reverse() -> None:
    """Sorting takes time in proportion to the file; independent nodes keep the file's order."""
    count = 3000
    nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"], name=f"n{i}") for i in range(count)]
    ends = [helper.make_node("Tanh", [f"v{count}"], [f"t{i}"], name=f"t{i}") for i in range(3)]
    proto = model([*reversed(nodes), *ends], [tensor("v0", [1])], [tensor(f"t{i}", [1]) for i in range(3)])
    begin = time.process_time()
    notes: list[str] = []
    found = [node.name for node in executable_order(proto.graph, notes)]
    assert time.process_time() - begin < 1
    assert found == [f"n{i}" for i in range(count)] + ["t0", "t1", "t2"]
    assert len(notes) == 1


def test_the_default_opset_is_not_declared() -> None:
    """What a node means depends on it, so nothing is assumed."""
    proto = conv_model()
    proto.opset_import[0].domain = "acme"
    with pytest.raises(CnnirError, match=r"conv1 \(Conv\): the model does not say which version .*\[opset\]"):
        read(proto)
    constant = model([helper.make_node("Constant", [], ["y"], value_float=1.0)], [], [tensor("y", [])])
    constant.opset_import[0].domain = "acme"
    with pytest.raises(CnnirError, match=r"\[opset\]"):
        read(constant)


def test_two_versions_of_one_opset() -> None:
    """The same domain under its two names."""
    proto = conv_model()
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 9))
    with pytest.raises(CnnirError, match=r"two versions .*\[opset\]"):
        read(proto)


def test_unknown_types_reach_opaque_nodes() -> None:
    """A node is refused for what it hides, never for what its operands hide."""
    nodes = [
        helper.make_node("Mystery", ["x"], ["m"], domain="acme"),
        helper.make_node("Riddle", ["m"], ["n"], domain="acme"),
        helper.make_node("Riddle", ["n", "x"], ["y"], domain="acme"),
    ]
    proto = model(nodes, [tensor("x", [1, 4])], [onnx.ValueInfoProto(name="y")])
    proto.opset_import.append(helper.make_opsetid("acme", 1))
    with pytest.raises(CnnirError, match=r"m \(acme::Mystery\): .*\[type-unknown\]"):
        read(proto)
    proto.graph.value_info.append(tensor("m"))
    graph = read(proto)
    assert graph.value("n").type == UnknownType() == graph.value("y").type
    assert write(read(write(graph))) == write(graph)


def test_binding_on_the_way_in(tmp_path: Path) -> None:
    """``load(path, bind=...)`` is loading and binding."""
    graph = cnnir.zoo.build("resnet18{size=32,classes=10,batch=N}")
    cnnir.save(graph, tmp_path / "open.onnx")
    bound = cnnir.load(tmp_path / "open.onnx", bind={"N": 3})
    assert print_graph(bound) == print_graph(cnnir.load(tmp_path / "open.onnx").bind(N=3))
    with pytest.raises(CnnirError, match="symbol-unknown"):
        cnnir.load(tmp_path / "open.onnx", bind={"M": 3})

"""The page on the zoo, with its table of all networks."""

import io
from contextlib import redirect_stdout

from cnnir import zoo
from cnnir.cli import main
from cnnir.reports.text import format_count, format_shape
from cnnir.types import TensorType

_HEAD = """\
# The zoo

Made from the code by `make docs`. The classic networks by name, each with its source, built anew whenever it is asked
for: weights are drawn from a seed by He's rule when they are read, so that a network costs nothing until it runs.

```console
$ cnnir zoo list
{listed}
...
$ cnnir run 'zoo:lenet5_plain{batch=2}' --seed 0
prob: float32[2, 10], min ..., max ..., mean 0.1, largest at ...
```

A name is found however it is spelled (`VGG-16`, `squeezenet-1.1`), and takes options in braces; what a network takes is
in `cnnir zoo list --json`. `size` is a number of pixels or `HxW`, `batch` a number or a symbol, `width` the filters of
the first layer, all others following in proportion (MobileNets take the paper's multiplier), `seed` the weights' seed.

```python
from cnnir import zoo

print(zoo.googlenet().table().totals.params)  # 6998552
print(zoo.vgg16(size=64, classes=10, batch="N").outputs[0].type)  # float32[N, 10]
print(zoo.build("SqueezeNet-1.1{width=32}").table().totals.params)  # 438792
small = zoo.nielsen(hidden=1000, layers=2)  # the last network of the chapter
print(small.plan().arena_bytes)  # 57600
```

## All of them

Figures are those of one image at the size shown, in float32. *params*: trained parameters, shared ones once, running
statistics of normalisations left out. *MACs*: multiply-accumulates of convolutions and matrix products. *activations*:
the bytes of the input and of every layer's output, what stands in place of another left out, as in `cnnir table`.
*planned peak*: the arena of `cnnir plan` for the order in which the network is written; where no bound proves that it
cannot be smaller in this order, the bound stands beside it.

| name | network | input | params | MACs | activations, bytes | planned peak, bytes |
|---|---|---|---|---|---|---|
"""

_SOURCES = """
Parameters are checked against published counts, or against arithmetic from the source's own table where there is none;
plans are proved; and NumPy's values, those before the last Softmax too, are compared with ONNX Runtime's, every bias
and statistic drawn at random (`tests/zoo/test_networks.py`; `python -m benchmarks.zoo` does it at full size).

## Where they come from

"""


def zoo_page() -> str:
    """The table of all networks, and their sources."""
    rows = "".join(map(_row, zoo.NETWORKS.values()))
    sources = "".join(f"| {entry.name} | {entry.paper} |\n" for entry in zoo.NETWORKS.values())
    head = _HEAD.replace("{listed}", _listed(zoo.NETWORKS["alexnet"]))
    return f"{head}{rows}{_SOURCES}| name | source |\n|---|---|\n{sources}"


def _listed(entry: zoo.Network) -> str:
    """The head of ``cnnir zoo list``, and what it prints of one network."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["zoo", "list"])
    lines = printed.getvalue().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{entry.name} "))
    end = next(number for number, line in enumerate(lines) if number > begin and line[:1] != " ")
    return "\n".join([lines[0], "...", *lines[begin:end]])


def _row(entry: zoo.Network) -> str:
    graph = entry.make()
    totals, plan = graph.table().totals, graph.plan()
    images = [format_shape(value.type.shape[1:]) for value in graph.inputs if isinstance(value.type, TensorType)]
    peak = format_count(plan.arena_bytes)
    if plan.arena_bytes != plan.lower_bound:
        peak += f" (at least {format_count(plan.lower_bound)})"
    cells = (
        entry.name, entry.title, ", ".join(images), format_count(totals.params), format_count(totals.macs),
        format_count(totals.bytes), peak,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"

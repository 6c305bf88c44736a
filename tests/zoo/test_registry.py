"""Networks are found by name, with options in braces."""

import pytest

from cnnir import CnnirError, zoo


@pytest.mark.parametrize("name", ["vgg16", "VGG-16", "vgg_16", " vgg16 "])
def test_names(name: str) -> None:
    """However it is spelled."""
    assert zoo.find(name) is zoo.NETWORKS["vgg16"]


def test_options_in_braces() -> None:
    """Numbers, flags, sizes and symbols; keywords go before them."""
    graph = zoo.build("vgg11{size=64x32, classes=7, batch=N, width=8, normalised=true}")
    assert str(graph.inputs[0].type) == "float32[N, 3, 64, 32]"
    assert str(graph.outputs[0].type) == "float32[N, 7]"
    assert graph.name == "vgg11_bn"
    assert str(zoo.build("vgg11{size=32,classes=7}", classes=9).outputs[0].type) == "float32[1, 9]"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("vgg61", "zoo-unknown"),
        ("", "zoo-unknown"),
        ("vgg16{size=64", "zoo-syntax"),
        ("vgg16{size}", "zoo-syntax"),
        ("vgg16{size=64,size=32}", "zoo-syntax"),
        ("vgg16{sise=64}", "option-unknown"),
        ("vgg16{classes=many}", "dim-number"),
        ("vgg16{size=64x64x3}", "dim-syntax"),
    ],
)
def test_refusals(name: str, code: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(CnnirError) as caught:
        zoo.build(name)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_every_network_says_where_it_comes_from() -> None:
    """A paper and its year; each maker's options have defaults, a seed among them."""
    for name, entry in zoo.NETWORKS.items():
        assert entry.name == name
        assert any(str(year) in entry.paper for year in range(1989, 2030)), name
        assert {"size", "batch", "seed"} <= set(entry.options)
        assert getattr(zoo, name) is entry.make

"""Every pass by name: those that come with cnnir, those that a program registers, and those of installed packages.

A package offers passes through entry points of the group ``cnnir.passes``: the entry's name is the pass's, its object
the class. They are loaded when they are asked for by name, or listed. One that cannot be loaded is in nobody's way: it
is listed with the reason, and refused when it is asked for.
"""

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from cnnir.errors import CnnirError
from cnnir.passes.base import Pass
from cnnir.passes.bottleneck import Bottleneck, MergeLinear
from cnnir.passes.conv_through_concat import ConvThroughConcat
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.fc_to_conv import FcToConv
from cnnir.passes.fold import Fold, FoldSettings
from cnnir.passes.freeze_inputs import FreezeInputs
from cnnir.passes.options import option_types
from cnnir.passes.parts.cut import Cut
from cnnir.passes.pool_through_concat import PoolThroughConcat
from cnnir.passes.pool_to_conv import PoolToConv
from cnnir.passes.precision.half_weights import HalfWeights
from cnnir.passes.simplify import (
    CancelTransposes,
    CommonSubexpressions,
    ComposeOps,
    FoldPads,
    MergeConcats,
    MergeScalars,
    MergeViews,
    RemoveIdentities,
    Simplify,
)
from cnnir.passes.sizes.batch import SetBatch, SetSize
from cnnir.passes.sizes.shape_inference import InferShapes

BUILT_IN: tuple[type[Pass], ...] = (
    Bottleneck,
    CancelTransposes,
    CommonSubexpressions,
    ComposeOps,
    ConvThroughConcat,
    Cut,
    DeadCode,
    FcToConv,
    Fold,
    FoldPads,
    FoldSettings,
    FreezeInputs,
    HalfWeights,
    InferShapes,
    MergeConcats,
    MergeLinear,
    MergeScalars,
    MergeViews,
    PoolThroughConcat,
    PoolToConv,
    RemoveIdentities,
    SetBatch,
    SetSize,
    Simplify,
)
"""The passes that come with cnnir."""

REGISTRY: dict[str, type[Pass]] = {cls.name: cls for cls in BUILT_IN}
"""Every pass that has been registered or loaded, by name."""

GROUP = "cnnir.passes"
"""The entry points through which installed packages offer passes."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Names that stand in a pipeline's text."""

PassT = TypeVar("PassT", bound=type[Pass])


def register(cls: PassT) -> PassT:
    """Class decorator: the pass can be called by its name from now on.

    Raises:
        CnnirError: ``pass-twice`` when another pass bears the name, ``pass-name`` when it is not in kebab-case,
            ``option-type`` when an option is of a type that a pipeline's text cannot express.
    """
    name: object = getattr(cls, "name", None)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise CnnirError("pass-name", "a pass has a name", node=cls.__qualname__, expected="kebab-case", got=name)
    if REGISTRY.get(name, cls) is not cls:
        raise CnnirError("pass-twice", "a second pass of one name", node=name, got=cls.__qualname__)
    option_types(cls)
    REGISTRY[name] = cls
    return cls


def find_pass(name: str) -> type[Pass]:
    """The pass of that name.

    Raises:
        CnnirError: ``pass-unknown``, or ``pass-broken`` when a package's pass cannot be loaded.
    """
    if name not in REGISTRY:
        for entry in _entries():
            if entry.name == name:
                return _loaded(entry)
        known = ", ".join(sorted({*REGISTRY, *(entry.name for entry in _entries())}))
        raise CnnirError("pass-unknown", "there is no pass of this name", got=name, hint=f"known: {known}")
    return REGISTRY[name]


def all_passes() -> dict[str, type[Pass]]:
    """Every pass that can be called, by name, those of installed packages loaded; see `broken_passes` for the rest."""
    broken_passes()
    return dict(sorted(REGISTRY.items()))


def broken_passes() -> dict[str, tuple[str, ...]]:
    """Why passes that packages offer cannot be had, by the entry's name; a name taken by another pass is a reason."""
    reasons: dict[str, list[str]] = {}
    for entry in _entries():
        try:
            _loaded(entry)
        except CnnirError as error:
            reasons.setdefault(entry.name, []).append(str(error))
    return {name: tuple(found) for name, found in sorted(reasons.items())}


def _entries() -> Iterator[EntryPoint]:
    yield from entry_points(group=GROUP)


def _loaded(entry: EntryPoint) -> type[Pass]:
    place = entry.value if entry.dist is None else f"{entry.value} of {entry.dist.name}"
    try:
        cls = entry.load()
    except (Exception, SystemExit) as error:  # a module may do anything when it is imported
        why = f"{type(error).__name__}: {error}"
        raise CnnirError("pass-broken", "the pass cannot be loaded", node=place, got=why) from error
    if not (isinstance(cls, type) and issubclass(cls, Pass)) or getattr(cls, "name", None) != entry.name:
        raise CnnirError("pass-broken", "no pass of the entry's name", node=place, expected=entry.name, got=cls)
    return register(cls)

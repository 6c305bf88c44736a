"""Cost profiles: how fast a machine does what time is spent on. They rank algorithms, they do not predict a run."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cnnir.algorithms.ways import Work
from cnnir.algorithms.ways.base import KINDS, Kind
from cnnir.errors import CnnirError

SCHEMA = "cnnir.costs/1"


@dataclass(frozen=True)
class Profile:
    """Throughputs of one machine.

    Attributes:
        name: As a plan stores it.
        source: Which machine it is, and how it was measured.
        rates: Units a second of each kind of work; see `cnnir.algorithms.ways.Kind`.
    """

    name: str
    source: str
    rates: Mapping[Kind, float]

    def __post_init__(self) -> None:
        missing = [f"no {kind}" for kind in KINDS if kind not in self.rates]
        odd = [f"{kind}: {rate!r}" for kind, rate in self.rates.items() if kind not in KINDS or not 0 < rate < math.inf]
        if missing or odd:
            got = ", ".join((*missing, *odd))
            raise CnnirError("costs-profile", "a profile has a positive rate for each kind of work", got=got)
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    def seconds(self, work: Work) -> float:
        """An estimate: all work one after the other."""
        return math.fsum(amount / self.rates[kind] for kind, amount in work)

    def to_json(self) -> str:
        """The profile as ``cnnir.costs/1``."""
        document = {"schema": SCHEMA, "name": self.name, "source": self.source, "rates": dict(self.rates)}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Profile":
        """The profile that such a text tells of.

        Raises:
            CnnirError: ``costs-json`` for what is none, ``costs-profile`` for rates that are none.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise CnnirError("costs-json", "a cost profile is JSON", got=str(error)) from error
        keys = ("schema", "name", "source", "rates")
        if not isinstance(document, dict) or sorted(document) != sorted(keys) or document["schema"] != SCHEMA:
            got = sorted(document) if isinstance(document, dict) else type(document).__name__
            raise CnnirError("costs-json", f"no cost profile of schema {SCHEMA}", expected=", ".join(keys), got=got)
        return cls(_text(document, "name"), _text(document, "source"), _rates(document["rates"]))


def _text(document: Mapping[str, Any], key: str) -> str:
    if not isinstance(document[key], str):
        raise CnnirError("costs-json", f"the {key} of a cost profile is a text", got=repr(document[key]))
    return str(document[key])


def _rates(given: Any) -> Mapping[Kind, float]:
    if not isinstance(given, dict) or not all(type(rate) in (int, float) for rate in given.values()):
        raise CnnirError("costs-json", "the rates of a cost profile are numbers", got=repr(given))
    return given


SERVER = Profile(
    "server",
    "python -m benchmarks.costs --repeat 400, AMD EPYC, NumPy 2.4.6 with its OpenBLAS, one thread, float32",
    {
        "product": 5.1e10,
        "block": 5.4e10,
        "vector": 3.1e10,
        "transform": 3.3e10,
        "element": 1.2e10,
        "function": 2.1e9,
        "copy": 1.9e10,
        "call": 2.8e6,
    },
)
"""The profile by default."""

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (SERVER,)})
"""Profiles that come along, by name."""

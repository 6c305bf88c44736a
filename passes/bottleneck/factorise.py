"""The factorising side of the pass: which layers, which ranks, and the journal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnnir.analysis import costs
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal
from cnnir.passes.bottleneck.budget import allot
from cnnir.passes.bottleneck.end_to_end import Feed, note_end_to_end
from cnnir.passes.bottleneck.factors import Kind
from cnnir.passes.bottleneck.peak import fit_peak
from cnnir.passes.bottleneck.ranks import Choice, by_energy, by_number, by_ratio, params_of
from cnnir.passes.bottleneck.replace import Replacer
from cnnir.passes.bottleneck.sites import Decompositions, Site, find_sites
from cnnir.rewriter import Rewriter
from cnnir.types import DType

FACTOR_MODES = ("svd", "tucker", "separable", "auto")


@dataclass(frozen=True)
class Target:
    """What decides the ranks; exactly one of the first six is set.

    Attributes:
        rank: This rank.
        ratio: This share of the full rank.
        energy: The share of the weight's squared norm that is kept.
        macs: The share of the network's MACs that is kept at most.
        params: The share of its parameters that is kept at most.
        peak: Bytes that the planned arena may take.
        multiple: Ranks are multiples of this, or full.
    """

    rank: int = 0
    ratio: float = 0.0
    energy: float = 0.0
    macs: float = 0.0
    params: float = 0.0
    peak: int | None = None
    multiple: int = 1

    def check(self) -> None:
        """Check the numbers.

        Raises:
            CnnirError: ``option-value``.
        """
        given = [name for name in ("rank", "ratio", "energy", "macs", "params") if getattr(self, name) != 0]
        given += ["peak"] if self.peak is not None else []
        if len(given) != 1:
            raise CnnirError(
                "option-value",
                "the ranks are decided by exactly one of rank, ratio, energy, macs, params, peak",
                node="bottleneck",
                expected="one of them above zero",
                got=", ".join(given) or "none of them, or zero",
                hint="ratio=0.5 keeps half of each layer's full rank, macs=0.5 at most half of the network's MACs",
            )
        for name in ("ratio", "energy", "macs", "params"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise CnnirError(
                    "option-value", f"{name} is a share", node="bottleneck", expected="above 0, at most 1", got=share,
                    hint=f"{name}=0.5 is one half",
                )  # fmt: skip
        for name, number in (("rank", self.rank), ("multiple", self.multiple)):
            if number < (0 if name == "rank" else 1):
                raise CnnirError(
                    "option-value", f"{name} counts channels", node="bottleneck", expected="at least 1", got=number,
                    hint=f"{name}=8, say",
                )  # fmt: skip


def factorise(
    graph: Graph,
    journal: Journal,
    mode: str,
    patterns: str,
    target: Target,
    made: Decompositions | None = None,
    *,
    measure: bool = True,
    feeds: Sequence[Feed] | None = None,
) -> None:
    """Replace layers by factors.

    Args:
        graph: Changed in place.
        journal: Told of each layer, what became of it or why nothing did.
        mode: A kind, or ``auto`` for whatever fits.
        patterns: Of the layers' names; all for the empty text.
        target: What decides the ranks.
        made: Decompositions that know of samples; plain ones when None.
        measure: Whether the network is run before and after, for the error end to end.
        feeds: On what; seeded inputs when None.

    Raises:
        CnnirError: ``option-value``, ``node-unknown``, ``budget-unreachable``, ``dims-unbound``, ``factor-range``.
    """
    target.check()
    made = made if made is not None else Decompositions()
    sites, kinds = [], {}
    for site in find_sites(graph, patterns, journal):
        fitting = tuple(kind for kind in site.kinds if mode in (kind, "auto"))
        if not fitting:
            journal.refuse(_unfitting(mode, site), [site.node])
            continue
        sites.append(site)
        kinds[site] = fitting
    before, original = costs(graph), graph.clone()
    choices = _choices(graph, journal, sites, kinds, target, made)
    replacer = Replacer(Rewriter(graph))
    for site, choice in choices.items():
        _replace(replacer, journal, site, choice, made)
    if choices and measure:
        note_end_to_end(journal, original, graph, feeds)
    after = costs(graph)
    for name in ("params", "macs"):
        was, now = getattr(before, name), getattr(after, name)
        if isinstance(was, int) and isinstance(now, int):
            journal.count(f"{name} saved", was - now)


def _unfitting(mode: str, site: Site) -> str:
    """Why a layer has no factors of that kind."""
    if mode != "separable" and site.kinds == ("separable",):
        return "depthwise: each filter sees one channel; mode=separable or auto takes its rows and columns apart"
    wanted = "two axes, wider than one cell along both" if mode == "separable" else "more than one cell"
    return f"{mode} needs a window over {wanted}; mode=svd or auto takes this layer"


def _choices(
    graph: Graph,
    journal: Journal,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    target: Target,
    made: Decompositions,
) -> Mapping[Site, Choice]:
    if target.peak is not None:
        chosen = fit_peak(graph, sites, kinds, target.peak, target.multiple, made)
        _refuse_rest(journal, sites, chosen, "the plan keeps within the budget with this layer as it is")
        return chosen
    if target.macs or target.params:
        return _within(graph, journal, sites, kinds, target, made)
    if target.energy:
        return _by_energy(journal, sites, kinds, target, made)
    chosen = {}
    for site in sites:
        # Of several kinds the one that fits the window: a layer without one has but its SVD.
        kind = "tucker" if "tucker" in kinds[site] else kinds[site][0]
        full = made.of(site, kind).full
        ranks = (
            by_number(full, target.rank, target.multiple)
            if target.rank
            else by_ratio(full, target.ratio, target.multiple)
        )
        chosen[site] = Choice(kind, ranks)
    return chosen


def _by_energy(
    journal: Journal,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    target: Target,
    made: Decompositions,
) -> dict[Site, Choice]:
    chosen = {}
    for site in sites:
        choice = by_energy(site, kinds[site], target.energy, target.multiple, made)
        index = tuple(rank - 1 for rank in choice.ranks)
        found = site.macs_of(choice.kind) if site.known else params_of(site, choice.kind, made)
        cost = int(found[index])
        whole = site.macs if site.known else site.params
        unit = "MACs" if site.known else "params"
        if cost >= whole and target.energy < 1:
            journal.refuse(
                f"keeping that much takes {choice}: {cost:,} {unit}, the layer itself {whole:,}", [site.node]
            )
            continue
        chosen[site] = choice
    return chosen


def _within(
    graph: Graph,
    journal: Journal,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    target: Target,
    made: Decompositions,
) -> dict[Site, Choice]:
    name, share = ("macs", target.macs) if target.macs else ("params", target.params)
    found = costs(graph)
    total = getattr(found, name)
    if not isinstance(total, int):
        reason = found.reasons[0] if found.reasons else f"{total}"
        raise CnnirError(
            "budget-unknown", f"the network's {name} are not known as a number", node="bottleneck", got=reason,
            hint="bind symbolic dims first; rank, ratio and energy need no total",
        )  # fmt: skip
    groups = {site: (site,) for site in sites} if name == "macs" else _owners(graph, journal, sites, kinds, made)
    own = list(groups)
    kinds = {site: kinds[sharing[0]] for site, sharing in groups.items()}
    rest = total - sum(getattr(site, name) for site in own)
    budget = math.floor(share * total)
    allotment = allot(own, kinds, name, budget, rest, target.multiple, made)
    picked = {site: choice for site, choice in zip(own, allotment.choices, strict=True) if choice is not None}
    chosen = {one: choice for site, choice in picked.items() for one in groups[site]}
    left = [one for sharing in groups.values() for one in sharing]
    _refuse_rest(journal, left, chosen, "the budget leaves room for this layer as it is")
    if chosen:
        journal.change(
            f"{name} {total:,} -> {allotment.cost:,} (budget {budget:,}); product over the layers of what they keep"
            f" {math.exp(-allotment.loss):.4f}, at most {math.exp(-allotment.bound):.4f} whatever the ranks"
        )
    return chosen


def _owners(
    graph: Graph,
    journal: Journal,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    made: Decompositions,
) -> dict[Site, tuple[Site, ...]]:
    """Layers whose weights go when they are factorised: one of each weight, with all that have it.

    Those that share a weight get the same factors, or none of them any. A weight that stays whatever becomes of the
    layer would only have factors beside it: such a layer is refused.
    """
    of_weight: dict[str, list[Site]] = {}
    for site in sites:
        of_weight.setdefault(site.weight.name, []).append(site)
    groups: dict[Site, tuple[Site, ...]] = {}
    for sharing in of_weight.values():
        first, weight = sharing[0], sharing[0].weight
        others = [node for node in weight.users if all(site.node is not node for site in sharing)]
        alike = all(
            kinds[site] == kinds[first] and made.of(site, kinds[site][0]) is made.of(first, kinds[first][0])
            for site in sharing
        )
        reason = None
        if graph.is_output(weight):
            reason = f"its weight {weight.name} is an output of the graph, and stays"
        elif others or len(weight.uses) > len(sharing):
            shown = ", ".join(node.name for node in others) or "other operands"
            reason = f"its weight is shared with {shown}, and stays for as long as one of them has it"
        elif not alike:
            shown = ", ".join(site.node.name for site in sharing)
            reason = f"its weight is shared by {shown}, which would not have the same factors"
        if reason is not None:
            journal.refuse(reason, [site.node for site in sharing])
            continue
        groups[replace(first, layers=len(sharing))] = tuple(sharing)
    return groups


def _refuse_rest(journal: Journal, sites: Sequence[Site], chosen: Mapping[Site, Choice], reason: str) -> None:
    for site in sites:
        if site not in chosen:
            journal.refuse(reason, [site.node])


def _replace(replacer: Replacer, journal: Journal, site: Site, choice: Choice, made: Decompositions) -> None:
    factored = made.of(site, choice.kind)
    index = tuple(rank - 1 for rank in choice.ranks)
    params = int(params_of(site, choice.kind, made)[index])
    said = f"{choice} (full {' x '.join(str(rank) for rank in factored.full)}), params {site.params:,} -> {params:,}"
    if site.known:
        said += f", MACs {site.macs:,} -> {int(site.macs_of(choice.kind)[index]):,}"
    measure = "weight error" if factored.metric is None else "error weighed by the samples"
    said += f", {measure} {factored.at(choice.ranks).error(choice.ranks):.4g}"
    narrow = factored.weight.dtype not in (DType.FLOAT32, DType.FLOAT64)
    if narrow:
        said += f" before the factors are rounded to {factored.weight.dtype.value}"
    nodes = replacer.replace(site, choice, factored)
    if narrow:  # made at once: factors that the type does not hold are an error of the pass, not of who reads them
        for weight in (value.weight for node in nodes for value in node.operands):
            if weight is not None:
                weight.array()
    journal.change(said, nodes)
    journal.count("layers factorised")

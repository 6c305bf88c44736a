"""The oracle's part about lives and figures: bytes are counted one by one at every step."""

from typing import Any

import numpy as np

from cnnir.types import DType


def complaint(document: Any) -> str | None:
    """What is wrong with lives, alignment or figures of a plan, None when they are those of its steps."""
    pools = {pool["name"]: pool for pool in document["pools"]}
    if len(pools) != len(document["pools"]):
        return "two pools bear one name"
    for check in (_places, _slices, _uses, _crowding, _totals, _moving):
        if found := check(document, pools):
            return found
    return None


def _places(document: Any, pools: Any) -> str | None:
    for index, storage in enumerate(document["storages"]):
        pool = pools.get(storage["pool"])
        if pool is None or storage["offset"] + storage["bytes"] > pool["bytes"]:
            return f"storage {index} lies in no pool"
        if storage["aligned"] and storage["offset"] % pool["alignment"]:
            return f"storage {index} is not aligned"
        if not 0 <= storage["first"] <= storage["last"] < len(document["steps"]):
            return f"storage {index} lives outside of the steps"
    for name, value in document["values"].items():
        for piece in value["pieces"] or []:
            storage = document["storages"][piece["storage"]]
            reach = [(n - 1) * stride for n, stride in zip(piece["shape"], piece["strides"], strict=True)]
            low = piece["offset"] + sum(step for step in reach if step < 0)
            high = piece["offset"] + sum(step for step in reach if step > 0)
            empty = 0 in piece["shape"]
            if storage["pool"] != piece["pool"]:
                return f"a piece of {name} lies in another pool than its storage"
            if not empty and not storage["offset"] <= low <= high < storage["offset"] + storage["bytes"]:
                return f"a piece of {name} lies outside of its storage"
    return None


def _slices(document: Any, pools: Any) -> str | None:
    """A storage off the alignment holds a part of something that has bytes below it."""
    storages = document["storages"]
    for index, storage in enumerate(storages):
        if storage["aligned"] or not storage["bytes"]:
            continue
        within = False
        for value in document["values"].values():
            indices = {piece["storage"] for piece in value["pieces"] or [] if 0 not in piece["shape"]}
            within = within or (
                index in indices and any(storages[other]["offset"] < storage["offset"] for other in indices)
            )
        if not within:
            return f"storage {index} is off the alignment, and no part of anything"
    del pools
    return None


def _uses(document: Any, pools: Any) -> str | None:
    last = len(document["steps"]) - 1
    uses = [(name, 0) for name in document["inputs"]] + [(name, last) for name in document["outputs"]]
    for number, step in enumerate(document["steps"]):
        uses += [(name, number) for name in [*step["reads"], *step["writes"]]]
    for name, number in uses:
        if name not in document["values"]:
            return f"{name} is nothing that the plan knows"
        for piece in document["values"][name]["pieces"] or []:
            storage = document["storages"][piece["storage"]]
            if not storage["first"] <= number <= storage["last"]:
                return f"{name} is used at step {number}, when its storage does not live"
    del pools
    return None


def _crowding(document: Any, pools: Any) -> str | None:
    """At every step each byte has one storage, or scratch, at most."""
    for number, step in enumerate(document["steps"]):
        taken = {name: np.zeros(max(pool["bytes"], 0), np.int64) for name, pool in pools.items()}
        for storage in document["storages"]:
            if storage["first"] <= number <= storage["last"]:
                taken[storage["pool"]][storage["offset"] : storage["offset"] + storage["bytes"]] += 1
        if (scratch := step["scratch"]) is not None:
            if scratch["pool"] not in pools or scratch["offset"] % pools[scratch["pool"]]["alignment"]:
                return f"the scratch of step {number} is not aligned"
            if not 0 <= scratch["strips"] <= scratch["bytes"]:
                return f"the strips of step {number} are longer than its scratch"
            taken[scratch["pool"]][scratch["offset"] : scratch["offset"] + scratch["bytes"]] += 1
        if any(bytes_.max(initial=0) > 1 for bytes_ in taken.values()):
            return f"two storages share bytes at step {number}"
    return None


def _totals(document: Any, pools: Any) -> str | None:
    counted = {name for name, pool in pools.items() if pool["counted"]}
    peak = most_data = most_workspace = 0
    peaks = dict.fromkeys(counted, 0)
    ends = dict.fromkeys(pools, 0)
    for storage in document["storages"]:
        ends[storage["pool"]] = max(ends[storage["pool"]], storage["offset"] + storage["bytes"])
    for number, step in enumerate(document["steps"]):
        alive = [s for s in document["storages"] if s["first"] <= number <= s["last"] and s["pool"] in counted]
        own = 0
        if (scratch := step["scratch"]) is not None:
            alive += [scratch] if scratch["pool"] in counted else []
            own = scratch["bytes"] - scratch["strips"] if scratch["pool"] in counted else 0
            ends[scratch["pool"]] = max(ends[scratch["pool"]], scratch["offset"] + scratch["bytes"])
        live = sum(taken["bytes"] for taken in alive)
        peak, most_data, most_workspace = max(peak, live), max(most_data, live - own), max(most_workspace, own)
        for name in counted:
            peaks[name] = max(peaks[name], sum(taken["bytes"] for taken in alive if taken["pool"] == name))
    if (document["data_bytes"], document["workspace_bytes"]) != (most_data, most_workspace):
        return "data and workspace are not what the steps say"
    if any(pool["bytes"] != ends[name] for name, pool in pools.items()):
        return "a pool is larger than what lies in it"
    placement, order = document["bounds"]["placement"], document["bounds"]["order"]
    total = sum(pools[name]["bytes"] for name in counted)
    if (placement["bytes"], order["reached"], placement["reached"]) != (sum(peaks.values()), peak, total):
        return "the bounds are not the figures of the plan"
    for pool in pools.values():
        if pool["capacity"] is not None and pool["bytes"] + pool["weights"] > pool["capacity"]:
            return "more lies in a pool than there is"
    for bound in document["bounds"].values():
        if bound["bytes"] > bound["reached"] or (bound["status"] == "optimal") != (bound["bytes"] == bound["reached"]):
            return "a bound does not fit its status"
    return None


def _moving(document: Any, pools: Any) -> str | None:
    """What it costs to move what the steps move, byte by byte."""
    if "traffic" not in document["bounds"]:
        return None
    steps = document["steps"]
    if any(step["algorithm"] == "join" and len(step["writes"]) != 1 for step in steps):
        return "a step joins several things"
    cost = sum(pools[pool]["cost"] for step in steps for value in moved(document, step) for pool, _ in value)
    if cost != document["bounds"]["traffic"]["reached"]:
        return "the bytes that the steps move cost something else"
    return None


def moved(document: Any, step: Any) -> list[set[tuple[str, int]]]:
    """The bytes that a step reads and writes, value by value."""
    read, written = ([_bytes(document, name) for name in step[key]] for key in ("reads", "writes"))
    if step["algorithm"] == "view":
        return []
    if step["algorithm"] == "join":
        (whole,) = written
        there = set[tuple[str, int]]().union(*read)
        return [*(operand for operand in read if not operand & whole), whole - there]
    return [*read, *written]


def _bytes(document: Any, name: str) -> set[tuple[str, int]]:
    """All bytes of a value, by pool and address."""
    value, found = document["values"][name], set[tuple[str, int]]()
    itemsize = DType(value["dtype"]).numpy.itemsize
    for piece in value["pieces"] or []:
        for index in np.ndindex(*piece["shape"]):
            first = piece["offset"] + sum(i * stride for i, stride in zip(index, piece["strides"], strict=True))
            found |= {(piece["pool"], first + byte) for byte in range(itemsize)}
    return found

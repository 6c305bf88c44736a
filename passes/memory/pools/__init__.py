"""Several memories: what lies in which of them, so that as little as possible moves where it is dear."""

from cnnir.passes.memory.pools.housing import Housing, house
from cnnir.passes.memory.pools.model import Lodger, Memory
from cnnir.passes.memory.pools.planning import plan_in_pools
from cnnir.passes.memory.pools.spreading import Weights, spread

__all__ = ["Housing", "Lodger", "Memory", "Weights", "house", "plan_in_pools", "spread"]

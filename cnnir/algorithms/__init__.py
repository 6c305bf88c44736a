"""By which algorithms ops can be computed, and what each takes: workspace in bytes, and time by a cost profile."""

from cnnir.algorithms import today
from cnnir.algorithms.base import Call, Tensor, workspaces
from cnnir.algorithms.choosing import Choice, channels_last_front, choose, front
from cnnir.algorithms.profile import PROFILES, SERVER, Profile
from cnnir.algorithms.steps import planned_workspace, step_workspace
from cnnir.algorithms.trading import Trade, least_arena, trade, trades
from cnnir.algorithms.ways import Unknown, Way, alternatives, ways

__all__ = [
    "PROFILES",
    "SERVER",
    "Call",
    "Choice",
    "Profile",
    "Tensor",
    "Trade",
    "Unknown",
    "Way",
    "alternatives",
    "channels_last_front",
    "choose",
    "front",
    "least_arena",
    "planned_workspace",
    "step_workspace",
    "today",
    "trade",
    "trades",
    "ways",
    "workspaces",
]

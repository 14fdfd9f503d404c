"""From a SeldonDeployment to the Kubernetes objects that serve it, one module per kind of object.

Pure: what is planned depends on the arguments alone, and nothing here talks to a cluster.
"""

from .config import Config, ConfigError
from .kinds import KINDS, ChildKind
from .observed import LiveDeployment, LiveObject, Observed
from .planner import Plan, Ref, plan
from .status import Problem, invalid_status, status

__all__ = [
    "KINDS",
    "ChildKind",
    "Config",
    "ConfigError",
    "LiveDeployment",
    "LiveObject",
    "Observed",
    "Plan",
    "Problem",
    "Ref",
    "invalid_status",
    "plan",
    "status",
]

"""From a SeldonDeployment to the Kubernetes objects that serve it, one module per kind of object.

Pure: what is planned depends on the arguments alone, and nothing here talks to a cluster.
"""

from .causes import Cause, cause
from .config import Config, ConfigError
from .kinds import KINDS, ChildKind
from .observed import LiveDeployment, LiveObject, Observed
from .planner import Plan, Ref, plan
from .status import Problem, invalid_status, status

__all__ = [
    "KINDS",
    "Cause",
    "ChildKind",
    "Config",
    "ConfigError",
    "LiveDeployment",
    "LiveObject",
    "Observed",
    "Plan",
    "Problem",
    "Ref",
    "cause",
    "invalid_status",
    "plan",
    "status",
]

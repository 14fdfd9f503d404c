"""From a SeldonDeployment to the Kubernetes objects that serve it, one module per kind of object.

Pure: what is planned depends on the arguments alone, and nothing here talks to a cluster.
"""

from .config import Config, ConfigError
from .observed import LiveDeployment, LiveService, Observed
from .planner import Plan, Ref, plan
from .status import Problem, invalid_status, status

__all__ = [
    "Config",
    "ConfigError",
    "LiveDeployment",
    "LiveService",
    "Observed",
    "Plan",
    "Problem",
    "Ref",
    "invalid_status",
    "plan",
    "status",
]

"""What is known of the cluster when a SeldonDeployment is planned: its own children, reduced to what decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveDeployment:
    """A Deployment that the SeldonDeployment owns.

    Attributes:
        uid: Its uid.
        generation: The generation of its spec.
        replicas: `spec.replicas`; None where it is not known.
        sole_owner_of_replicas: Whether only this operator has set `spec.replicas`, so that leaving the field out would
            reset it.
        status: Its status.
        carries_engine: Whether its pods hold an engine.
        terminating: Whether it is being deleted.
        selector: The labels that it selects its pods by, which never change, where they are not those that this
            operator chooses: it was made by the reference implementation.
        record: What its pods were built from and to, as `keeping` wrote it down; empty where nothing is recorded.
    """

    uid: str
    generation: int = 0
    replicas: int | None = None
    sole_owner_of_replicas: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)
    carries_engine: bool = False
    terminating: bool = False
    selector: Mapping[str, str] | None = None
    record: str = ""

    def count(self, field_name: str) -> int:
        """Return a number of its status, 0 where it has none."""
        value = self.status.get(field_name)
        return value if isinstance(value, int) else 0

    @property
    def current(self) -> bool:
        """Whether the status describes the spec as it is now."""
        return self.count("observedGeneration") >= self.generation

    @property
    def wanted(self) -> int:
        """How many pods it should have."""
        return 1 if self.replicas is None else self.replicas

    @property
    def ready(self) -> bool:
        """Whether all pods that it should have are of the current template and available; none is fine for 0."""
        return (
            not self.terminating
            and self.current
            and self.replaced
            and self.count("availableReplicas") >= self.wanted
            and self.count("unavailableReplicas") == 0
        )

    @property
    def replaced(self) -> bool:
        """Whether it has all pods of the current template that it should have, and no others."""
        return self.current and self.count("updatedReplicas") == self.wanted == self.count("replicas")

    @property
    def serving(self) -> bool:
        """Whether it can take requests: a pod is available, or none is wanted."""
        return not self.terminating and self.current and (self.wanted == 0 or self.count("availableReplicas") > 0)

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Return the condition of this type, or an empty mapping."""
        for condition in self.status.get("conditions") or ():
            if condition.get("type") == kind:
                found: Mapping[str, Any] = condition
                return found
        return {}


@dataclass(frozen=True, slots=True)
class LiveObject:
    """A child of any kind but Deployment.

    Attributes:
        uid: Its uid.
        terminating: Whether it is being deleted.
        ports: The numbers of the ports of a Service, in order.
        assigned: The HTTP and the gRPC port of a Service, where this operator set both; else nothing.
        headless: Whether it is a Service without an address of its own.
    """

    uid: str
    terminating: bool = False
    ports: tuple[int, ...] = ()
    assigned: tuple[int, int] | None = None
    headless: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """The children that the cluster holds; those of strangers are not among them.

    Attributes:
        deployments: The Deployments by name.
        services: The Services by name.
        others: Children of all other kinds that are planned, by kind and name.
    """

    deployments: Mapping[str, LiveDeployment] = field(default_factory=dict)
    services: Mapping[str, LiveObject] = field(default_factory=dict)
    others: Mapping[tuple[str, str], LiveObject] = field(default_factory=dict)

"""What the rules look at: a predictor walked once, and the settings of the spec that its rules depend on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import constants as c
from ..graph import ContainerRef, containers, is_server, walk
from ..installation import Installation
from ..objects import as_map, as_text, is_true

MAX_DEPTH = 100
_STEP = ".children["
# No shorter path can lead too deep; what is shorter need not be counted.
_LEAST_LENGTH = MAX_DEPTH * len(_STEP)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all predictors.

    Attributes:
        protocol: The protocol, as written or by default.
        transport: The transport, likewise.
        kafka: Whether messages come from Kafka.
        separate_engine: Whether each engine has a pod of its own.
        installation: What the operator decides.
    """

    protocol: str
    transport: str
    kafka: bool
    separate_engine: bool
    installation: Installation

    @classmethod
    def of(cls, spec: Object, installation: Installation) -> "Settings":
        """Read the settings of a spec of any shape.

        Args:
            spec: The spec.
            installation: What the operator decides.
        """
        return cls(
            protocol=as_text(spec.get("protocol")) or c.DEFAULT_PROTOCOL,
            transport=as_text(spec.get("transport")) or c.DEFAULT_TRANSPORT,
            kafka=spec.get("serverType") == "kafka",
            separate_engine=is_true(as_map(spec.get("annotations")).get(c.ANNOTATION_SEPARATE_ENGINE)),
            installation=installation,
        )


@dataclass(frozen=True, slots=True)
class Predictor:
    """A predictor, walked once.

    Attributes:
        path: Its path, for example `spec.predictors[0]`.
        fields: The predictor as it is written.
        nodes: Path and node of the nodes of its graph, parents first, down to `MAX_DEPTH` levels.
        too_deep: The path of the first node below that, or None.
        named: The first node of each name; nameless ones are left out.
        servers: Those of the nodes that are prepackaged servers.
        containers: Its containers.
        settings: What holds for all predictors.
    """

    path: str
    fields: Object
    nodes: list[tuple[str, Object]]
    too_deep: str | None
    named: dict[str, Object]
    servers: list[tuple[str, Object]]
    containers: list[ContainerRef]
    settings: Settings

    @classmethod
    def of(cls, fields: Object, path: str, settings: Settings) -> "Predictor":
        """Walk a predictor.

        Args:
            fields: The predictor; its parts may have any shape.
            path: Its path.
            settings: What holds for all predictors.
        """
        nodes: list[tuple[str, Object]] = []
        too_deep = None
        for where, node in walk(fields.get("graph"), f"{path}.graph"):
            if len(where) > _LEAST_LENGTH and where.count(_STEP) > MAX_DEPTH:
                too_deep = where
                break
            nodes.append((where, node))
        named: dict[str, Object] = {}
        for _, node in nodes:
            name = node.get("name")
            if name and isinstance(name, str):
                named.setdefault(name, node)
        servers = [(where, node) for where, node in nodes if is_server(node)]
        return cls(path, fields, nodes, too_deep, named, servers, list(containers(fields, path)), settings)

    @property
    def without_engine(self) -> bool:
        """Whether the user's container is called directly."""
        return is_true(as_map(self.fields.get("annotations")).get(c.ANNOTATION_NO_ENGINE))

    @property
    def shadow(self) -> bool:
        """Whether it gets copies of the requests of the others."""
        return self.fields.get("shadow") is True

    def engine_index(self) -> int | None:
        """Return the index of the componentSpec whose pod an engine runs in, or None where there is no such pod."""
        if self.without_engine or self.settings.separate_engine:
            return None
        if self.servers:
            names = {as_text(ref.container.get("name")) for ref in self.containers}
            if any(as_text(node.get("name")) not in names for _, node in self.servers):
                # A server without a container gets one in the first pod.
                return 0
        holding = (ref.spec_index for ref in self.containers if as_text(ref.container.get("name")) in self.named)
        return next(holding, None)

    def served_names(self) -> Iterator[tuple[str, str]]:
        """Yield the name and path of each container of a graph node, those of servers that are not written too."""
        seen = set()
        for ref in self.containers:
            name = as_text(ref.container.get("name"))
            if name in self.named and name not in seen:
                seen.add(name)
                yield name, f"{ref.path}.name"
        for where, node in self.servers:
            name = as_text(node.get("name"))
            if name and name not in seen:
                seen.add(name)
                yield name, f"{where}.name"

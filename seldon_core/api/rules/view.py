"""What the rules look at: a predictor walked once, and the settings of the spec that its rules depend on."""

from typing import Any

from msgspec import Struct

from .. import constants as c
from ..graph import ContainerRef, containers, is_server, walk
from ..installation import Installation
from ..objects import as_text, is_true

MAX_DEPTH = 100
_STEP = ".children["
# No shorter path can lead too deep; what is shorter need not be counted.
_LEAST_LENGTH = MAX_DEPTH * len(_STEP)

Object = dict[str, Any]
PathAndNode = tuple[str, Object]


class Settings(Struct, frozen=True):
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
            separate_engine=_switched_on(spec, c.ANNOTATION_SEPARATE_ENGINE),
            installation=installation,
        )


class Predictor(Struct, frozen=True):
    """A predictor, walked once, so that the rules of what is rarely there need not look for it.

    Attributes:
        path: Its path, for example `spec.predictors[0]`.
        fields: The predictor as it is written.
        nodes: Path and node of the nodes of its graph, parents first, down to `MAX_DEPTH` levels.
        too_deep: The path of the first node below that, or None.
        named: The first node of each name; nameless ones are left out.
        servers: Those of the nodes that are prepackaged servers.
        endpoints: Those of the nodes for which an endpoint is written.
        loggers: Those of the nodes for which a logger is written.
        containers: Its containers.
        serving: Those of the containers that have the name of a node.
        without_engine: Whether the user's container is called directly.
        settings: What holds for all predictors.
    """

    path: str
    fields: Object
    nodes: list[PathAndNode]
    too_deep: str | None
    named: dict[str, Object]
    servers: list[PathAndNode]
    endpoints: list[PathAndNode]
    loggers: list[PathAndNode]
    containers: list[ContainerRef]
    serving: list[ContainerRef]
    without_engine: bool
    settings: Settings

    @classmethod
    def of(cls, fields: Object, path: str, settings: Settings) -> "Predictor":
        """Walk a predictor.

        Args:
            fields: The predictor; its parts may have any shape.
            path: Its path.
            settings: What holds for all predictors.
        """
        nodes: list[PathAndNode] = []
        too_deep = None
        named: dict[str, Object] = {}
        servers, endpoints, loggers = [], [], []
        for found in walk(fields.get("graph"), f"{path}.graph"):
            where, node = found
            if len(where) > _LEAST_LENGTH and where.count(_STEP) > MAX_DEPTH:
                too_deep = where
                break
            nodes.append(found)
            name = node.get("name")
            if name and isinstance(name, str) and name not in named:
                named[name] = node
            if node.get("implementation") and is_server(node):
                servers.append(found)
            if node.get("endpoint"):
                endpoints.append(found)
            if node.get("logger"):
                loggers.append(found)
        refs = list(containers(fields, path))
        serving = [ref for ref in refs if ref.name in named]
        without_engine = _switched_on(fields, c.ANNOTATION_NO_ENGINE)
        return cls(
            path, fields, nodes, too_deep, named, servers, endpoints, loggers, refs, serving, without_engine, settings
        )

    @property
    def name(self) -> str:
        """Its name; empty where it is no text."""
        return as_text(self.fields.get("name"))

    @property
    def shadow(self) -> bool:
        """Whether it gets copies of the requests of the others."""
        return self.fields.get("shadow") is True

    def engine_index(self) -> int | None:
        """Return the index of the componentSpec whose pod an engine runs in, or None where there is no such pod."""
        if self.without_engine or self.settings.separate_engine:
            return None
        if self.servers:
            names = {ref.name for ref in self.containers}
            if any(as_text(node.get("name")) not in names for _, node in self.servers):
                # A server without a container gets one in the first pod.
                return 0
        return self.serving[0].spec_index if self.serving else None

    def served_names(self) -> dict[str, str]:
        """Return the name and path of each container of a graph node, those of servers that are not written too."""
        served: dict[str, str] = {}
        for ref in self.serving:
            if ref.name not in served:
                served[ref.name] = f"{ref.path}.name"
        for where, node in self.servers:
            if name := as_text(node.get("name")):
                served.setdefault(name, f"{where}.name")
        return served


def _switched_on(part: Object, annotation: str) -> bool:
    annotations = part.get("annotations")
    return isinstance(annotations, dict) and is_true(annotations.get(annotation))

"""Who gets which share of the requests, under which path and headers: what the routes of every ingress are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.names import predictor_service_name
from seldon_core.api.objects import as_map, as_number, as_text

from .config import Config
from .metadata import sdep_name
from .services import predictor_ports

Object = dict[str, Any]

_ALL = 100


@dataclass(frozen=True, slots=True)
class Destination:
    """A predictor that gets requests.

    Attributes:
        predictor: The predictor.
        name: Its name.
        service: The name of its Service.
        http: The HTTP port of that.
        grpc: The gRPC port of that.
        percent: Its share of the requests; for a shadow that of the requests that are copied.
    """

    predictor: Object
    name: str
    service: str
    http: int
    grpc: int
    percent: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """How the requests of a SeldonDeployment are shared out.

    Attributes:
        live: The predictors that answer, in order; their shares add up to 100.
        shadow: The predictor that gets copies, or None.
        external: The name by which it is asked for: its own, or that of another whose requests it takes over.
        headers: Headers that its requests must have; a value of None stands for any.
        patterns: Headers whose value must match a regular expression.
    """

    live: tuple[Destination, ...]
    shadow: Destination | None
    external: str
    headers: dict[str, str | None]
    patterns: dict[str, str]

    @property
    def everyone(self) -> tuple[Destination, ...]:
        """The predictors that get requests, or could get them: those that answer, then the shadow."""
        return (*self.live, *([self.shadow] if self.shadow is not None else []))


def traffic(sdep: Object, config: Config) -> Traffic:
    """Return how the requests of a SeldonDeployment are shared out.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        config: The operator's configuration.
    """
    predictors = sdep["spec"]["predictors"]
    live = [predictor for predictor in predictors if not predictor.get("shadow")]
    shadows = [predictor for predictor in predictors if predictor.get("shadow")]

    def destination(predictor: Object, percent: int) -> Destination:
        service = predictor_service_name(sdep_name(sdep), predictor)
        return Destination(predictor, predictor["name"], service, *predictor_ports(sdep, predictor, config), percent)

    copied = (as_number(shadows[0].get("traffic")) or _ALL) if shadows else _ALL
    return Traffic(
        live=tuple(map(destination, live, shares(live))),
        shadow=destination(shadows[0], copied) if shadows else None,
        external=setting(sdep, "ambassador-service-name") or sdep_name(sdep),
        headers={name: value or None for name, value in _pairs(setting(sdep, "ambassador-header"))},
        patterns=dict(_pairs(setting(sdep, "ambassador-regex-header"))),
    )


def shares(predictors: Sequence[Object]) -> list[int]:
    """Return the shares of predictors that answer, in percent: as written, or else as even as whole numbers allow.

    Args:
        predictors: The predictors, none of them a shadow.
    """
    if len(predictors) == 1:
        return [_ALL]
    written = [as_number(predictor.get("traffic")) for predictor in predictors]
    if any(share is not None for share in written):
        return [share or 0 for share in written]
    even, left = divmod(_ALL, len(predictors))
    return [even + (index < left) for index in range(len(predictors))]


def setting(sdep: Object, name: str) -> str:
    """Return the text of an annotation `seldon.io/<name>` of the spec, or else of the object; empty for none.

    Args:
        sdep: The SeldonDeployment.
        name: The name of the setting.
    """
    key = f"{c.ANNOTATION_PREFIX}{name}"
    places = (as_map(sdep["spec"].get("annotations")), as_map(sdep["metadata"].get("annotations")))
    return next((as_text(place[key]).strip() for place in places if key in place), "")


def number(sdep: Object, name: str) -> int | None:
    """Return the number in an annotation `seldon.io/<name>`, or None.

    Args:
        sdep: The SeldonDeployment, whose annotations were checked.
        name: The name of the setting.
    """
    text = setting(sdep, name)
    return int(text) if text else None


def rest_prefix(sdep: Object, external: str) -> str:
    """Return the path under which a SeldonDeployment is called over HTTP, without a slash at its end.

    Args:
        sdep: The SeldonDeployment.
        external: The name by which it is asked for.
    """
    return f"/seldon/{sdep['metadata']['namespace']}/{external}"


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the headers in an annotation: one `name: value` on each line."""
    parts = [line.partition(":") for line in text.splitlines() if line.strip()]
    return [(name.strip(), value.strip()) for name, _, value in parts]

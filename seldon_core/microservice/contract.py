"""What a model class may offer: the names that the wrapper looks for, and what they may return."""

# ruff: noqa: N803 - X is what model classes call it

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seldon_core.microservice.errors import SeldonNotImplementedError

if TYPE_CHECKING:
    from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage

__all__ = ["SeldonComponent", "SeldonResponse"]


class SeldonResponse:
    """A result together with tags and metrics that belong to this one request.

    Args:
        data: what the method would otherwise return.
        tags: added to the tags of the answer; they win over those of `tags()`.
        metrics: added to the metrics of the answer.
    """

    def __init__(
        self,
        data: Any,
        tags: dict[str, Any] | None = None,
        metrics: list[dict[str, Any]] | None = None,
    ) -> None:
        self.data = data
        self.tags = tags if tags is not None else {}
        self.metrics = metrics if metrics is not None else []

    def __repr__(self) -> str:
        return f"SeldonResponse(data={self.data!r}, tags={self.tags!r}, metrics={self.metrics!r})"


class SeldonComponent:
    """A base class that model classes may have, and need not.

    Every method is optional. Those that a class does not override count as absent.
    """

    def __init__(self, **kwargs: Any) -> None:
        """The parameters of the graph node arrive here as keyword arguments."""

    def load(self) -> None:
        """Called once before the first request; the place to read a model from disk."""

    def predict(
        self,
        X: Any,
        names: Sequence[str],
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Answer a prediction.

        Args:
            X: numpy array for `data`, str for `strData`, bytes for `binData`, any JSON value for `jsonData`.
            names: the column names that came with the request.
            meta: the request's meta, None when it had none.

        Returns:
            An array or a list, str, bytes, dict, a pandas DataFrame, or a SeldonResponse of one of them; a generator
            of these answers with a stream of events.
        """
        raise SeldonNotImplementedError("predict is not implemented")

    def predict_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Answer a whole message with a whole message, both as decoded JSON."""
        raise SeldonNotImplementedError("predict_raw is not implemented")

    def transform_input(
        self,
        X: Any,
        names: Sequence[str],
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Change a request on its way to the components below; see `predict`."""
        raise SeldonNotImplementedError("transform_input is not implemented")

    def transform_input_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Change a whole message on its way down; see `predict_raw`."""
        raise SeldonNotImplementedError("transform_input_raw is not implemented")

    def transform_output(
        self,
        X: Any,
        names: Sequence[str],
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Change an answer on its way back; see `predict`."""
        raise SeldonNotImplementedError("transform_output is not implemented")

    def transform_output_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Change a whole answer on its way back; see `predict_raw`."""
        raise SeldonNotImplementedError("transform_output_raw is not implemented")

    def route(self, X: Any, names: Sequence[str], meta: dict[str, Any] | None = None) -> Any:
        """Choose the branch of the graph that a request takes; for arguments see `predict`.

        Returns:
            The number of the child, from 0; -1 for all of them, -2 to answer with the request itself.
        """
        raise SeldonNotImplementedError("route is not implemented")

    def route_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Choose the branch for a whole message, with a message whose data holds it."""
        raise SeldonNotImplementedError("route_raw is not implemented")

    def aggregate(self, features_list: list[Any], names_list: list[Sequence[str]]) -> Any:
        """Make one answer of those of all children.

        Args:
            features_list: what each child answered, in their order; see `X` of `predict`.
            names_list: the column names of each.

        Returns:
            What `predict` may return.
        """
        raise SeldonNotImplementedError("aggregate is not implemented")

    def aggregate_raw(self, msgs: Any) -> dict[str, Any]:
        """Make one whole message of the list of all children's, as it came: decoded JSON."""
        raise SeldonNotImplementedError("aggregate_raw is not implemented")

    def send_feedback(
        self, features: Any, names: Sequence[str], reward: float, truth: Any, routing: int | None = None
    ) -> Any:
        """Learn how good an answer was.

        Args:
            features: what was asked; see `X` of `predict`.
            names: the column names of the request.
            reward: how good the answer was.
            truth: what it should have been; an empty array when that is not known.
            routing: the branch that this node had chosen, None when it had chosen none.

        Returns:
            Nothing, or what `predict` may return.
        """
        raise SeldonNotImplementedError("send_feedback is not implemented")

    def send_feedback_raw(self, feedback: "Feedback") -> "SeldonMessage | dict[str, Any]":
        """Learn from a whole feedback message, which is a protobuf message over REST too; answer with a whole one."""
        raise SeldonNotImplementedError("send_feedback_raw is not implemented")

    def tags(self) -> dict[str, Any]:
        """Tags of every answer; called after each request."""
        raise SeldonNotImplementedError("tags is not implemented")

    def metrics(self) -> list[dict[str, Any]]:
        """Metrics of every answer, made with `seldon_core.metrics`; called after each request."""
        raise SeldonNotImplementedError("metrics is not implemented")

    def class_names(self) -> Sequence[str]:
        """Column names of the answers."""
        raise SeldonNotImplementedError("class_names is not implemented")

    def feature_names(self) -> Sequence[str]:
        """Column names of what `transform_input` returns."""
        raise SeldonNotImplementedError("feature_names is not implemented")

    def health_status(self) -> Any:
        """What `/health/status` answers; the same types as `predict`."""
        raise SeldonNotImplementedError("health_status is not implemented")

    def health_status_raw(self) -> dict[str, Any]:
        """The whole message that `/health/status` answers."""
        raise SeldonNotImplementedError("health_status_raw is not implemented")

    def init_metadata(self) -> dict[str, Any]:
        """Metadata of the model: name, versions, platform, inputs, outputs, custom."""
        raise SeldonNotImplementedError("init_metadata is not implemented")

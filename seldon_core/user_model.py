"""What model classes import: the optional base class and the result with tags and metrics of its own."""

from seldon_core.microservice.contract import SeldonComponent, SeldonResponse
from seldon_core.microservice.errors import SeldonNotImplementedError

__all__ = ["SeldonComponent", "SeldonNotImplementedError", "SeldonResponse"]

"""What model classes import to choose the status of an error answer; Flask itself is not involved."""

from seldon_core.microservice.errors import SeldonMicroserviceException

__all__ = ["SeldonMicroserviceException"]

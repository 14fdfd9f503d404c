"""Workers."""

from seldon_core.microservice.errors import UsageError
from seldon_core.microservice.settings import Settings


def supervise(settings: Settings) -> None:
    """Refuse, for now."""
    raise UsageError([f"--workers: {settings.workers}: must be 1"])

"""What reading a message can fail with."""

from typing import Final

__all__ = ["MOST_DIMENSIONS", "MessageError"]

# As many as any version of numpy takes.
MOST_DIMENSIONS: Final = 32


class MessageError(ValueError):
    """The sender's message breaks the protocol; the text says where and what to send instead."""

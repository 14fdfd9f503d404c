"""What reading a message can fail with."""

__all__ = ["MessageError"]


class MessageError(ValueError):
    """The sender's message breaks the protocol; the text says where and what to send instead."""

"""What the processes of a service with several workers say to each other: short messages, some with a socket.

    supervisor -- START place, socket of its channel --> forker
    forker -- CONSTRUCTED, STARTED, ENDED or FAILED --> supervisor
    supervisor -- CONNECTION (with the socket), RETIRE or STOP --> worker
    worker -- READY, FAILED, CLOSED, CONNECTION (given back), REPLACE --> supervisor

When the other end has gone, an empty message is received.
"""

import json
import os
import socket
from typing import Any

__all__ = ["Channel"]

MESSAGE_BYTES = 8192

START = "start"
CONSTRUCTED = "constructed"
STARTED = "started"
ENDED = "ended"
FAILED = "failed"
CONNECTION = "connection"
RETIRE = "retire"
STOP = "stop"
READY = "ready"
CLOSED = "closed"
REPLACE = "replace"

Message = tuple[str, list[Any], socket.socket | None]


class Channel:
    """One end of a connection between two processes, which keeps the bounds of messages."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @staticmethod
    def pair() -> "tuple[Channel, Channel]":
        """Both ends."""
        mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return Channel(mine), Channel(other)

    def fileno(self) -> int:
        """Its number, for whoever waits for messages."""
        return self.sock.fileno()

    def send(self, word: str, *details: Any, attached: socket.socket | None = None) -> None:
        """Send a message; a socket that goes with it stays open here.

        Raises:
            BlockingIOError: the other end does not keep up, and this one does not wait.
            OSError: the other end has gone.
        """
        data = json.dumps([word, *details]).encode()
        if len(data) > MESSAGE_BYTES:
            data = json.dumps([word, *(str(detail)[: MESSAGE_BYTES // 4] for detail in details)]).encode()
        if attached is None:
            self.sock.send(data)
        else:
            socket.send_fds(self.sock, [data], [attached.fileno()])

    def receive(self) -> Message | None:
        """The next message: its word, details and socket; None when the other end has gone.

        Raises:
            BlockingIOError: there is none, and this end does not wait.
        """
        try:
            data, numbers, _, _ = socket.recv_fds(self.sock, MESSAGE_BYTES + 1, 1)
        except ConnectionError:
            return None
        if not data:
            return None
        word, *details = json.loads(data)
        for number in numbers[1:]:
            os.close(number)
        return word, details, socket.socket(fileno=numbers[0]) if numbers else None

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

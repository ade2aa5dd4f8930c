"""A client of a dozen lines: enough of RESP2 for asking a server about itself."""

import socket
from types import TracebackType
from typing import Any, Self, TypeAlias


class ServerError(Exception):
    """An error reply."""


# A string, an integer, None, an error, or a list of these.
Reply: TypeAlias = Any


class Client:
    """One blocking connection on the loopback interface."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def send(self, *words: str | int) -> None:
        """Sends one command without waiting for its reply."""
        parts = [str(word).encode() for word in words]
        body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), body))

    def receive(self) -> Reply:
        """The next reply; an error reply inside or outside an array is returned as a value."""
        line = self._input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode(errors="replace")
        match kind:
            case b"+":
                return text
            case b"-":
                return ServerError(text)
            case b":":
                return int(text)
            case b"$":
                return self._bulk(int(text))
            case b"*":
                return None if text == "-1" else [self.receive() for _ in range(int(text))]
        raise ConnectionError(f"unexpected reply {line!r}")

    def command(self, *words: str | int) -> Reply:
        """Sends one command and returns its reply; an error reply is raised."""
        self.send(*words)
        reply = self.receive()
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def count(self, *words: str | int) -> int:
        """The reply of a command that answers with an integer."""
        reply = self.command(*words)
        if not isinstance(reply, int):
            raise ServerError(f"{words[0]} answered {reply!r}, not an integer")
        return reply

    def _bulk(self, length: int) -> str | None:
        if length < 0:
            return None
        return self._input.read(length + 2)[:-2].decode(errors="replace")

"""Messages over a socket: eight bytes of length, then the bytes. No pickle, unlike multiprocessing's."""

import socket
import struct

_LENGTH = struct.Struct("<Q")


def send(connection: socket.socket, message: bytes) -> None:
    """Send one message."""
    connection.sendall(_LENGTH.pack(len(message)))
    connection.sendall(message)


def receive(connection: socket.socket) -> bytes:
    """Receive one message.

    Raises:
        EOFError: The other side has closed the connection.
    """
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    return _receive(connection, length)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError("the connection is closed")
        view = view[count:]
    return bytes(data)

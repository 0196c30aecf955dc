"""The socket a server listens on, bound before anything else: its address is what others are told."""

import errno
import socket
from typing import Final

from flowtrail.model.errors import FlowtrailError

BACKLOG: Final = 2_048


class CannotListen(FlowtrailError):
    """The address cannot be listened on: somebody else does, or it is not this machine's. Choose another port."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to that address, not yet listening. Raises: CannotListen."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"there is no address {host}: {error.strerror}") from error
    except UnicodeError as error:
        raise CannotListen(f"there is no address {host}: no host can be called so") from error
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A server that was just stopped leaves connections behind that would keep the port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {port} on {host} is in use: stop what listens there, or choose another with --port"
            )
            raise CannotListen(message) from error
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL that reaches it from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""Tells the service manager how the service is (sd_notify(3)); nothing without one.

systemd gives NOTIFY_SOCKET to a unit of Type=notify: a datagram socket, in the file system or, with
a leading @, in the abstract namespace. A service manager that cannot be told is no reason to stop.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """Whoever started this process, if it wants to know; silent otherwise.

    Args:
        environment: NOTIFY_SOCKET is taken out of it, so that no child speaks in our name.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        address = (os.environ if environment is None else environment).pop(VARIABLE, "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, **states: str) -> None:
        """Send states by their names in sd_notify(3), such as READY="1", STATUS="what goes on"."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in states.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(), self._address)

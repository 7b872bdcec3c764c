"""Free ports on loopback, chosen so that the engine can have them again after a crash."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel hands out source ports (32768 on Linux, 49152 on macOS): while the engine is
# down, a client that tries to reconnect could otherwise be given the engine's own port, and the engine not get it back.
LOWEST, HIGHEST = 12_000, 31_999
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the engine does: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(*, preferred: int = 0, taken: frozenset[int] = frozenset()) -> int:
    """Return a free port: the preferred one where it is free, else any.

    Args:
        preferred: Port to take where possible; 0 for none.
        taken: Ports already given out but not listened on yet.
    """
    if preferred and preferred not in taken and is_free(preferred):
        return preferred
    chooser = random.SystemRandom()
    for _ in range(ATTEMPTS):
        port = chooser.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    with socket.socket() as last_resort:
        last_resort.bind((LOOPBACK, 0))
        return int(last_resort.getsockname()[1])

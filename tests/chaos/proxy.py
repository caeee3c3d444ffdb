"""A TCP proxy in front of the server that can go silent without closing anything."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards to a port of this machine.

    While it is cut nothing passes. Afterwards what was under way arrives late, as TCP has it, or,
    half-open, never: then both ends believe in connections that are gone.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._server.getsockname()[1])
        self._is_open = threading.Event()
        self._is_open.set()
        self._generation = 0
        self._is_closed = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass any more."""
        self._is_open.clear()

    def mend(self, *, half_open: bool) -> None:
        """Let everything pass again; half-open: but nothing of connections from before."""
        if half_open:
            self._generation += 1
        self._is_open.set()

    def close(self) -> None:
        """Close all connections, on both sides."""
        self._is_closed = True
        self._generation += 1
        self._is_open.set()
        for each in [self._server, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._is_open.wait()
        generation = self._generation
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self._sockets.append(server)
        for ends in ((client, server), (server, client)):
            threading.Thread(target=self._forward, args=(*ends, generation), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, generation: int) -> None:
        with suppress(OSError):
            while True:
                data = source.recv(65536)
                self._is_open.wait()
                if generation != self._generation:
                    return
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

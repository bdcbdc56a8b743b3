"""Stands between a client and a gateway and passes everything on, until answers are held back or the line is cut."""

from __future__ import annotations

import socket
import threading

CHUNK_BYTES = 1 << 16


class Relay:
    """Listens at `address` and passes on to a node; what the client sends always arrives there."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._flowing = threading.Event()
        self._flowing.set()
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def hold(self) -> None:
        """Keep answers back from now on; what is sent to the node still arrives."""
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was kept back, and what comes."""
        self._flowing.set()

    def cut(self) -> None:
        """End all connections; what was kept back is lost. New ones are taken, and pass everything on."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            _end(line)
        self._flowing.set()

    def close(self) -> None:
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._listener.close()
                return
            node = socket.create_connection(self._target)
            with self._lock:
                self._lines += [client, node]
                pumps = [
                    threading.Thread(target=self._pump, args=(client, node, False), daemon=True),
                    threading.Thread(target=self._pump, args=(node, client, True), daemon=True),
                ]
                self._threads += pumps
            for pump in pumps:
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with source:
            try:
                while data := source.recv(CHUNK_BYTES):
                    if answers and not self._flowing.is_set():
                        self._flowing.wait()
                    target.sendall(data)
            except OSError:
                pass
            _end(target)


def _end(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

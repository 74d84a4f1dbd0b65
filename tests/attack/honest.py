"""`python -m tests.attack.honest PORT`: an honest client beside an attack, in a process of its own.

It sends fifty requests a second, on the fast path and by ASGI, until its standard input is closed; then it prints how
long each response took, in seconds, as a JSON array. A request without a good response counts as a minute.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

PATHS = ("/api/movies", "/health/live")
ADDRESS = "127.0.0.2"
"""Not the attackers' address: what bounds them does not bound others."""
LOST_S = 60.0
_PAUSE_S = 0.04


def ask(port: int, path: str, stop: threading.Event, took_s: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LOST_S, source_address=(ADDRESS, 0))
    while not stop.wait(_PAUSE_S):
        began = time.perf_counter()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            good = response.status == 200
        except (OSError, http.client.HTTPException):
            connection.close()
            good = False
        took_s.append(time.perf_counter() - began if good else LOST_S)


def main(port: int) -> None:
    stop = threading.Event()
    took_s: list[float] = []
    threads = [threading.Thread(target=ask, args=(port, path, stop, took_s)) for path in PATHS]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(took_s))


if __name__ == "__main__":
    main(int(sys.argv[1]))

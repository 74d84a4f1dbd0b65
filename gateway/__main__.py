"""Entry point: `python -m gateway`."""

from functools import partial

from gateway.app import SERVICE, serve
from runtime.process import run_service

if __name__ == "__main__":
    run_service(SERVICE, partial(serve, metrics=True))

"""`python -m gateway`"""

from gateway.app import serve
from runtime.process import run_service

if __name__ == "__main__":
    run_service("gateway", serve)

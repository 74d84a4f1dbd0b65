#!/usr/bin/env python3
"""Health check of the stand-in for apache/kafka: exit status 0 when the broker lists its API versions.

Called as `kafka-broker-api-versions.sh --bootstrap-server HOST:PORT`.
"""

import socket
import struct
import sys

API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)
"""API key, version, correlation id, no client id."""

host, _, port = sys.argv[sys.argv.index("--bootstrap-server") + 1].rpartition(":")
with socket.create_connection((host, int(port)), timeout=5) as broker:
    broker.sendall(struct.pack(">i", len(API_VERSIONS)) + API_VERSIONS)
    answer = broker.recv(10, socket.MSG_WAITALL)
sys.exit(len(answer) < 10 or answer[8:10] != b"\0\0")

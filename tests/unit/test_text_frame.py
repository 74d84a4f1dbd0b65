"""Frames that are encoded once for many sockets."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from gateway.server.websocket_protocol import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_client_reads_the_text_that_was_framed(size: int) -> None:
    client = ClientProtocol(parse_uri("ws://here.example/"), state=State.OPEN, max_size=None)
    text = b"x" * size
    client.receive_data(text_frame(text) + text_frame(b"next"))
    frames = client.events_received()
    assert [frame for frame in frames if isinstance(frame, Frame)] == [
        Frame(Opcode.TEXT, text),
        Frame(Opcode.TEXT, b"next"),
    ]

"""The generator's parser of HTTP responses."""

from __future__ import annotations

import pytest

from loadtest.bench.generator.responses import MAX_HEAD_BYTES, InvalidResponse, ResponseReader

CREATED = b'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"id":"x1"}'


def test_a_response_in_one_chunk_is_read_at_once() -> None:
    response = ResponseReader().feed(CREATED)
    assert response is not None
    assert (response.status, response.body) == (201, b'{"id":"x1"}')


@pytest.mark.parametrize("cut", range(1, len(CREATED)))
def test_a_response_may_be_split_anywhere(cut: int) -> None:
    reader = ResponseReader()
    assert reader.feed(CREATED[:cut]) is None
    response = reader.feed(CREATED[cut:])
    assert response is not None
    assert response.raw == CREATED


def test_responses_may_arrive_byte_by_byte() -> None:
    reader = ResponseReader()
    for _ in range(2):
        answers = [reader.feed(CREATED[n : n + 1]) for n in range(len(CREATED))]
        assert [response.status for response in answers if response] == [201]
        assert answers[-1] is not None


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", 304, b""),
        (b"HTTP/1.1 409 Conflict\r\nCONTENT-LENGTH:\t2\r\n\r\n{}", 409, b"{}"),
        (b"HTTP/1.1 200 OK\r\nx-content-length: 9\r\ncontent-length: 1\r\n\r\n1", 200, b"1"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\r\n\r\n", 200, b"\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    ],
)
def test_status_and_length_are_found_among_other_headers(raw: bytes, status: int, body: bytes) -> None:
    response = ResponseReader().feed(raw)
    assert response is not None
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x1 Odd\r\ncontent-length: 0\r\n\r\n",
        CREATED + b"H",
        CREATED + CREATED,
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_anything_but_one_complete_response_is_invalid(raw: bytes) -> None:
    with pytest.raises(InvalidResponse):
        ResponseReader().feed(raw)

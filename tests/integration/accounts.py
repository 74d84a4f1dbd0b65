"""Sign-up and log-in of a user, for tests of accounts."""

from __future__ import annotations

from typing import Any

import httpx

from tests.integration.gateway_server import PASSWORD

ADA = {"username": "Ada", "email": "ada@example.com", "password": PASSWORD, "name": "Ada L."}


async def sign_up(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/signup", json=ADA | changes)
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def log_in(client: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
    answer = await client.post("/api/login", json={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}

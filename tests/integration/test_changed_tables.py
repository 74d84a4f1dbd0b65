"""Requests during a migration: a table that changes under a running gateway fails none of them."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.accounts import bearer, log_in, sign_up
from tests.integration.gateway_server import PASSWORD, Server

KINDS = ("varchar(900)", "text")
"""Types for a column of text: each change makes the prepared statements that return it outdated."""
TWICE_THE_POOL = 6
"""Requests that use every connection of the reports' pool."""


@pytest.mark.parametrize("form", ["application/json", "text/csv"])
async def test_a_changed_table_fails_no_report(server: Server, staff: httpx.AsyncClient, form: str) -> None:
    async def statuses() -> set[int]:
        paths = ["/api/reports/customers", "/api/reports/sales"] * TWICE_THE_POOL
        return {(await staff.get(path, headers={"Accept": form})).status_code for path in paths}

    assert await statuses() == {200}
    await server.sql("ALTER TABLE report_sales ADD COLUMN note text")
    assert await statuses() == {200}
    for kind in KINDS:
        await server.sql(f"ALTER TABLE users ALTER COLUMN username TYPE {kind}")
        assert await statuses() == {200}


async def test_a_changed_table_fails_no_transaction_of_an_account(server: Server) -> None:
    async with server.client() as ada, server.client(900, "admin") as admin:
        user_id = (await sign_up(ada))["id"]
        for kind in KINDS:
            await server.sql(f"ALTER TABLE users ALTER COLUMN name TYPE {kind}")
            granted = await admin.patch(f"/api/users/{user_id}", json={"active": True})
            assert granted.status_code == 200, granted.text
            ada.headers.update(bearer((await log_in(ada))["access"]))
            change = {"name": "Ada", "password": PASSWORD, "old_password": PASSWORD}
            changed = await ada.patch("/api/me", json=change)
            assert changed.status_code == 200, changed.text

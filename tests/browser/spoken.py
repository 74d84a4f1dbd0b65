"""Output of a screen reader for the element that has the focus: name, role, state."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

_STATES = ("pressed", "checked", "expanded", "disabled", "required", "invalid")


async def spoken(page: Page) -> str:
    """Returns name, role and states from the browser's accessibility tree."""
    session = await page.context.new_cdp_session(page)
    try:
        focused = await session.send("Runtime.evaluate", {"expression": "document.activeElement"})
        wanted = {"objectId": focused["result"]["objectId"], "fetchRelatives": False}
        answer = await session.send("Accessibility.getPartialAXTree", wanted)
    finally:
        await session.detach()
    node: dict[str, Any] = answer["nodes"][0]
    states = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
    said = [name for name in _STATES if states.get(name) not in (None, False, "false")]
    return ", ".join([_value(node, "name"), _value(node, "role"), *said])


def _value(node: dict[str, Any], key: str) -> str:
    return str(node.get(key, {}).get("value", ""))

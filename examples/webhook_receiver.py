"""A receiver of Aisle's webhooks: verifies each request and handles each event once.

pip install aiohttp standardwebhooks
WEBHOOK_SECRET=whsec_… python webhook_receiver.py
"""

from __future__ import annotations

import os

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

handled: set[str] = set()
"""Use a unique column of your database instead: this is forgotten at the end."""


async def receive(request: web.Request) -> web.Response:
    """Answers 204 once an event is stored; Aisle sends it again otherwise."""
    body = await request.read()
    try:
        event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(request.headers))
    except WebhookVerificationError:
        return web.Response(status=401)
    event_id = request.headers["webhook-id"]
    if event_id not in handled:
        print(event_id, event["type"], event["data"], flush=True)
        handled.add(event_id)
    return web.Response(status=204)


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/aisle", receive)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "9000")), print=None)

"""Contract tests of accounts."""

from __future__ import annotations

import base64
import json
import re

from tests.e2e.contract import SESSION, TOKENS, USER, fits, page
from tests.e2e.contract_instance import ContractInstance, email_to, everywhere

PASSWORD = "correct horse 1"


async def life_of_an_account(instance: ContractInstance) -> None:
    """Exercises the life of an account and its refusals."""
    nobody = instance.nobody
    new = {"username": "Grace", "email": "grace@example.com", "password": PASSWORD, "name": "Grace H."}
    answer = await nobody("POST /api/signup", json=new)
    user = answer.json()
    fits(user, USER)
    assert (answer.status_code, user["role"], user["username"]) == (201, "customer", "Grace")
    assert answer.headers["location"] == f"/api/users/{user['id']}"
    assert user["email_confirmed"] is False
    welcome = await email_to(instance, "grace@example.com", "Welcome")
    [token] = set(re.findall(r"/email/confirm#([\w-]+)", welcome["text"]))
    assert (await nobody("POST /api/email/confirm", json={"token": token})).status_code == 204
    await nobody.refused("POST /api/email/confirm", 400, "validation", json={"token": token})
    user["email_confirmed"] = True
    other = new | {"username": "other", "email": "other@example.com"}
    same = {"email": "GRACE@example.com"}
    await nobody.refused("POST /api/signup", 409, "username_taken", json=other | {"username": "gRACE"})
    await nobody.refused("POST /api/signup", 409, "email_taken", json=other | same)
    for field, value in (
        ("password", "short"),
        ("password", "x" * 129),
        ("password", "other@example.com"),
        ("password", "passwordpassword"),
        ("username", "ab"),
        ("username", "a b c"),
        ("email", "nonsense"),
    ):
        problem = await nobody.refused("POST /api/signup", 400, "validation", json=other | {field: value})
        assert [error["field"] for error in problem["errors"]] == [field], (value, problem)

    pair = await nobody.ok("POST /api/login", TOKENS, json={"username": "grace", "password": PASSWORD})
    head, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in pair["access"].split("."))
    payload = json.loads(claims)
    assert {"alg", "kid"} <= set(json.loads(head))
    assert {"sub", "role", "iat", "exp", "iss"} <= set(payload)
    assert (payload["sub"], payload["role"], payload["exp"] - payload["iat"]) == (
        str(user["id"]),
        "customer",
        3600,
    )
    await nobody.ok("POST /api/login", TOKENS, json={"username": "grace@example.com", "password": PASSWORD})
    for name in ("grace", "nobody"):
        wrong = {"username": name, "password": "wrong password"}
        await nobody.refused("POST /api/login", 401, "bad_credentials", json=wrong)

    fresh = await nobody.ok("POST /api/token/refresh", TOKENS, json={"refresh": pair["refresh"]})
    await nobody.refused("POST /api/token/refresh", 401, "token_invalid", json={"refresh": pair["refresh"]})
    await nobody.refused("POST /api/token/refresh", 401, "token_invalid", json={"refresh": fresh["refresh"]})
    pair = await nobody.ok("POST /api/login", TOKENS, json={"username": "grace", "password": PASSWORD})
    assert (await nobody("POST /api/logout", json={"refresh": pair["refresh"]})).status_code == 204
    await nobody.refused("POST /api/token/refresh", 401, "token_invalid", json={"refresh": pair["refresh"]})

    await session_of_a_browser(instance)

    grace = instance.acting(user["id"], token=pair["access"])
    assert await grace.ok("GET /api/me", USER) == user
    changed = await grace.ok("PATCH /api/me", USER, json={"name": "Grace", "language": "de"})
    assert changed == user | {"name": "Grace", "language": "de"}
    change = {"password": "another good one", "old_password": "wrong password"}
    await grace.refused("PATCH /api/me", 401, "bad_credentials", json=change)
    await grace.refused("PATCH /api/me", 400, "validation", json={"email": "hopper@example.com"})
    moved = {"email": "hopper@example.com", "old_password": PASSWORD}
    assert await grace.ok("PATCH /api/me", USER, json=moved) == changed, "it counts once it is confirmed"
    sent = await email_to(instance, "hopper@example.com", "Bestätige deine neue")
    [token] = set(re.findall(r"/email/confirm#([\w-]+)", sent["text"]))
    assert (await nobody("POST /api/email/confirm", json={"token": token})).status_code == 204
    assert (await grace.ok("GET /api/me", USER))["email"] == "hopper@example.com"
    notice = await email_to(instance, "grace@example.com", "wird geändert")
    [token] = set(re.findall(r"/email/undo#([\w-]+)", notice["text"]))
    assert (await nobody("POST /api/email/undo", json={"token": token})).status_code == 204
    await nobody.refused("POST /api/email/undo", 400, "validation", json={"token": token})

    async def logged_out() -> bool:
        return (await grace("GET /api/me")).status_code == 401

    await everywhere(logged_out, "an undone change of the address ends every login")
    for address in ("grace@example.com", "unknown@example.com"):
        answer = await nobody("POST /api/password/forgot", json={"email": address})
        assert (answer.status_code, answer.content) == (202, b"")
    email = await email_to(instance, "grace@example.com", "Passwort")
    [token] = set(re.findall(r"/password/reset#([\w-]+)", email["text"]))
    reset = {"token": token, "password": "another good one"}
    assert (await nobody("POST /api/password/reset", json=reset)).status_code == 204
    await nobody.refused("POST /api/password/reset", 400, "validation", json=reset)
    login = {"username": "grace", "password": "another good one"}
    pair = await nobody.ok("POST /api/login", TOKENS, json=login)

    listed = await instance.admin.ok("GET /api/users?search=grace", page(USER | {"active": bool}))
    assert [one["id"] for one in listed["items"]] == [user["id"]]
    await instance.staff.refused("GET /api/users", 403, "forbidden")
    grace = instance.acting(user["id"], token=pair["access"])
    one = f"/api/users/{user['id']}"
    await instance.admin.ok(f"PATCH {one}", USER | {"active": bool}, json={"role": "staff"})

    async def refused() -> bool:
        return (await grace("GET /api/me")).status_code == 401

    await everywhere(refused, "another role ends the access tokens of the old one")
    pair = await nobody.ok("POST /api/login", TOKENS, json=login)
    grace = instance.acting(user["id"], token=pair["access"])
    assert (await grace.ok("GET /api/me", USER))["role"] == "staff"
    await grace.refused("DELETE /api/me", 401, "bad_credentials", json={"password": PASSWORD})
    gone = await grace("DELETE /api/me", json={"password": "another good one"})
    assert (gone.status_code, gone.content) == (204, b"")
    await nobody.refused("POST /api/login", 401, "bad_credentials", json=login)


async def session_of_a_browser(instance: ContractInstance) -> None:
    """Exercises the session of a browser, whose refresh token is a cookie."""
    nobody = instance.nobody
    login = {"username": "grace", "password": PASSWORD}
    answer = await nobody("POST /api/session", json=login)
    assert answer.status_code == 200
    fits(answer.json(), SESSION)
    cookie = answer.headers["set-cookie"]
    assert {part.strip() for part in cookie.split(";")} >= {
        "HttpOnly",
        "SameSite=Strict",
        "Path=/api/session",
    }
    first = {"Cookie": cookie.partition(";")[0]}
    assert first["Cookie"].startswith("aisle_refresh=")
    answers = [await nobody("POST /api/session/refresh", headers=first) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200
        fits(answer.json(), SESSION)
    [second] = {answer.headers["set-cookie"].partition(";")[0] for answer in answers}
    assert second != first["Cookie"]
    await nobody.refused(
        "POST /api/session", 403, "forbidden", json=login, headers={"Origin": "https://evil.example"}
    )
    await nobody.refused("POST /api/session/refresh", 401, "unauthenticated")
    assert (await nobody("DELETE /api/session", headers={"Cookie": second})).status_code == 204
    await nobody.refused("POST /api/session/refresh", 401, "token_invalid", headers={"Cookie": second})

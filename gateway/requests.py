"""What every framework request passes before its handler: who asks, what is in the query, which body."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO
from litestar.exceptions import InternalServerException
from litestar.handlers import BaseRouteHandler

from gateway.accepting import check_accept
from gateway.auth import Caller, Tokens
from gateway.bodies import decode_body, invalid
from gateway.http import check_empty, check_json, half_a_body, no_body
from gateway.problems import Problem
from gateway.queries import read_query
from gateway.revocation import Revocations

Connection = ASGIConnection[Any, Any, Any, Any]

_CALLER = "aisle.caller"
_GIVEN_BY_US = frozenset({"request", "data", "state", "scope", "headers", "cookies", "body", "socket"})


async def logged_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: a valid access token is needed."""
    await _caller_of(connection)


async def staff_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: staff or admins only."""
    if not (await _caller_of(connection)).staff:
        raise Problem("forbidden", "This call is for staff: log in with a staff account.")


async def admin_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: admins only."""
    if not (await _caller_of(connection)).admin:
        raise Problem("forbidden", "This call is for admins: log in with an admin account.")


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller, for handlers behind one of the guards."""
    scope = cast("dict[str, Any]", request.scope)
    return cast("Caller", scope[_CALLER])


def provide_fields(request: Request[Any, Any, Any]) -> dict[bytes, bytes]:
    """The request's headers as the hot routes see them, for calls that wait and take keys as those do."""
    return dict(cast("list[tuple[bytes, bytes]]", request.scope["headers"]))


async def _caller_of(connection: Connection) -> Caller:
    scope = cast("dict[str, Any]", connection.scope)
    if _CALLER not in scope:
        tokens: Tokens = connection.app.state.tokens
        revocations: Revocations = connection.app.state.revocations
        given = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        await revocations.ensure_fresh()
        scope[_CALLER] = tokens.verify(given, time.time())
    return cast("Caller", scope[_CALLER])


def json_accepted(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: the answer is JSON, so that has to be acceptable."""
    check_accept(connection.headers.get("accept", ""), "application/json")


def query_known(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard: a query has only fields that the call knows, each once, in UTF-8 and without NUL."""
    raw = connection.scope["query_string"]
    if raw:
        fields = _query_fields(handler)
        given = read_query(raw, set(fields) - set(connection.path_params))
        # The framework would also take 1e1 for a number and on for true.
        wrong = [
            (name, form[1]) for name, value in given.items() if (form := fields[name]) and not form[0](value)
        ]
        if wrong:
            raise invalid(*wrong)


_Form = tuple[Callable[[str], Any], str]
_WHOLE: _Form = (re.compile(r"-?[0-9]{1,18}", re.ASCII).fullmatch, "a whole number is wanted")
_YES_OR_NO: _Form = (("true", "false").__contains__, "true or false is wanted")


def _query_fields(handler: BaseRouteHandler) -> dict[str, _Form | None]:
    """The query's fields that a call knows, each with the form of its values where that is not any text."""
    fields: dict[str, _Form | None] = {}
    provided = handler.resolve_dependencies()
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name not in _GIVEN_BY_US and name not in provided:
            kinds = {field.annotation, *(inner.annotation for inner in field.inner_types)}
            form = _YES_OR_NO if bool in kinds else _WHOLE if int in kinds else None
            fields[getattr(field.kwarg_definition, "name", None) or name] = form
    return fields


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body, where one is read, has to be there and to be declared as JSON."""

    async def body(self) -> bytes:
        check_json(self._declared_type)
        body = await self._whole_body()
        if not body:
            raise no_body("content-length" in self.headers or "transfer-encoding" in self.headers)
        return body

    async def check_no_fields(self) -> None:
        """Passes the body of a call without fields. Raises Problem."""
        check_empty(await self._whole_body(), self._declared_type)

    @property
    def _declared_type(self) -> bytes:
        return self.headers.get("content-type", "application/json").encode()

    async def _whole_body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException:
            # The framework's word for a client that has gone.
            raise half_a_body() from None


class JsonBody(AbstractDTO[Any]):
    """Decodes bodies strictly, as their struct says, and says every field at fault."""

    model_type = object
    _decoders: ClassVar[dict[str, msgspec.json.Decoder[Any]]] = {}

    @classmethod
    def create_for_field_definition(
        cls, field_definition: Any, handler_id: str, backend_cls: Any = None
    ) -> None:
        cls._decoders[handler_id] = msgspec.json.Decoder(field_definition.annotation)

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: Any) -> Any:
        raise NotImplementedError  # only for DTOs that make a model of their own

    @classmethod
    def detect_nested_field(cls, field_definition: Any) -> bool:
        return False

    def decode_bytes(self, value: bytes) -> Any:
        return decode_body(self._decoders[self.asgi_connection.route_handler.handler_id], value)

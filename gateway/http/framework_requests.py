"""Checks of framework requests before their handler: query, body and Accept header."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal, cast, get_args, get_origin

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO
from litestar.exceptions import InternalServerException
from litestar.handlers import BaseRouteHandler

from gateway.http.bodies import decode_body, invalid
from gateway.http.exchange import check_body_has_no_fields, check_json, incomplete_body, missing_body
from gateway.http.negotiation import check_accept
from gateway.http.query import read_query

Connection = ASGIConnection[Any, Any, Any, Any]

_FRAMEWORK_PARAMETERS = frozenset(
    {"request", "data", "state", "scope", "headers", "cookies", "body", "socket"}
)


def provide_request_headers(request: Request[Any, Any, Any]) -> dict[bytes, bytes]:
    """The request's headers as on fast routes, for handlers that read Prefer and Idempotency-Key."""
    return dict(cast("list[tuple[bytes, bytes]]", request.scope["headers"]))


def json_accepted(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: Accept has to allow JSON."""
    check_accept(connection.headers.get("accept", ""), "application/json")


def query_known(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard: a query has only parameters of the handler, each once, in UTF-8 and without NUL."""
    raw = connection.scope["query_string"]
    if raw:
        fields = _query_fields(handler)
        parameters = read_query(raw, set(fields) - set(connection.path_params))
        # The framework alone would also accept 1e1 as a number, on as true, and null as a word that is left out.
        invalid_parameters = [
            (name, form[1])
            for name, value in parameters.items()
            if (form := fields[name]) and not form[0](value)
        ]
        if invalid_parameters:
            raise invalid(*invalid_parameters)


_Form = tuple[Callable[[str], Any], str]
_WHOLE: _Form = (re.compile(r"-?[0-9]{1,18}", re.ASCII).fullmatch, "a whole number is wanted")
_YES_OR_NO: _Form = (("true", "false").__contains__, "true or false is wanted")


def _one_of(words: tuple[str, ...]) -> _Form:
    return words.__contains__, f"one of {', '.join(words)} is wanted"


def _query_fields(handler: BaseRouteHandler) -> dict[str, _Form | None]:
    """The query parameters of a handler, each with the form of its values; None where any text is valid."""
    fields: dict[str, _Form | None] = {}
    provided = handler.resolve_dependencies()
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name not in _FRAMEWORK_PARAMETERS and name not in provided:
            kinds = {field.annotation, *(inner.annotation for inner in field.inner_types)}
            words = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), None)
            form = _YES_OR_NO if bool in kinds else _WHOLE if int in kinds else words and _one_of(words)
            fields[getattr(field.kwarg_definition, "name", None) or name] = form
    return fields


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body, if the handler reads it, has to be present and declared as JSON."""

    async def body(self) -> bytes:
        check_json(self._declared_type)
        body = await self._complete_body()
        if not body:
            raise missing_body("content-length" in self.headers or "transfer-encoding" in self.headers)
        return body

    async def check_no_fields(self) -> None:
        """Checks the body of a call without fields. Raises Problem."""
        check_body_has_no_fields(await self._complete_body(), self._declared_type)

    @property
    def _declared_type(self) -> bytes:
        return self.headers.get("content-type", "application/json").encode()

    async def _complete_body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException:
            # Raised by the framework when the client has disconnected.
            raise incomplete_body() from None


class JsonBody(AbstractDTO[Any]):
    """Decodes bodies strictly into the handler's struct, with an error for every invalid field."""

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
        raise NotImplementedError  # only called for DTOs with generated models

    @classmethod
    def detect_nested_field(cls, field_definition: Any) -> bool:
        return False

    def decode_bytes(self, value: bytes) -> Any:
        return decode_body(self._decoders[self.asgi_connection.route_handler.handler_id], value)

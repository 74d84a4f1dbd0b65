"""uvicorn's names that are not its public interface. All are used through this module.

They may change with any release: requirements/run.in pins the version, and a test compares what is relied upon.
"""

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = [
    "HIGH_WATER_LIMIT",
    "STATUS_LINE",
    "ClientDisconnected",
    "FlowControl",
    "HttpToolsProtocol",
    "RequestResponseCycle",
    "WebSocketsSansIOProtocol",
]

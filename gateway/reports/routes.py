"""Report endpoints for staff, as JSON or, with `Accept: text/csv`, as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter

from gateway.auth.guards import provide_caller, staff_only
from gateway.catalogue.zones import Zones
from gateway.http.framework_requests import query_known
from gateway.http.pagination import DEFAULT_LIMIT, MAX_LIMIT
from gateway.openapi.annotations import BEARER, problem_responses
from gateway.reports.customers import customers
from gateway.reports.groups import cancellations, sales
from gateway.reports.holds import holds
from gateway.reports.lines import CSV, wants_csv
from gateway.reports.occupancy import occupancy
from gateway.reports.query import PageT, Query, ReportReader, read_period
from gateway.reports.table import TableResponse
from schemas.api_reports import By, CancellationsPage, CustomersPage, HoldsPage, OccupancyPage, SalesPage
from schemas.ids import MAX_SHOW_ID

From = Annotated[
    str | None, QueryParameter(name="from", max_length=10, description="The first day: 2026-11-01.")
]
To = Annotated[str | None, QueryParameter(name="to", max_length=10, description="The last day, included.")]
Grouped = Annotated[By, QueryParameter(description="Grouping. Each currency has rows of its own.")]
Limit = Annotated[
    int, QueryParameter(ge=1, le=MAX_LIMIT, description="Maximum number of items; CSV has all rows.")
]
Cursor = Annotated[
    str | None, QueryParameter(max_length=2000, description="`next_cursor` of the page before; not for CSV.")
]
_PROBLEMS = problem_responses("not_acceptable", "overloaded", "not_ready", "database_unavailable")


@dataclass
class _CsvOperation(Operation):
    """OpenAPI operation of a report, with CSV as a second media type of the response."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content is not None:
            schema = Schema(type=OpenAPIType.STRING, description="A header, then all rows; amounts as 12.50.")
            answer.content[CSV] = OpenAPIMediaType(schema=schema)


@get(
    "/sales", security=BEARER, responses=_PROBLEMS, operation_class=_CsvOperation, operation_id="SalesReport"
)
async def sales_report(
    request: Request[Any, Any, Any],
    reports: NamedDependency[ReportReader],
    from_: From = None,
    to: To = None,
    by: Grouped = "day",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[SalesPage]:
    """Sales by day, movie, show or screen: confirmed in the period, cancelled in it, and the difference. Days are those
    of each show's time zone."""
    return await _answer(request, reports, sales(by, read_period(from_, to)), limit, cursor)


@get(
    "/occupancy",
    security=BEARER,
    responses=_PROBLEMS,
    operation_class=_CsvOperation,
    operation_id="OccupancyReport",
)
async def occupancy_report(
    request: Request[Any, Any, Any],
    reports: NamedDependency[ReportReader],
    zones: NamedDependency[Zones],
    movie: Annotated[int | None, QueryParameter(ge=1, le=MAX_SHOW_ID, description="A movie's id.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[OccupancyPage]:
    """Occupancy of the shows that start in the period: seats that are now sold, held, blocked and available."""
    return await _answer(request, reports, occupancy(movie, read_period(from_, to), zones), limit, cursor)


@get(
    "/cancellations",
    security=BEARER,
    responses=_PROBLEMS,
    operation_class=_CsvOperation,
    operation_id="CancellationsReport",
)
async def cancellations_report(
    request: Request[Any, Any, Any],
    reports: NamedDependency[ReportReader],
    from_: From = None,
    to: To = None,
    by: Grouped = "day",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[CancellationsPage]:
    """Cancellations in the period: by customers, by staff, or because a show was cancelled."""
    return await _answer(request, reports, cancellations(by, read_period(from_, to)), limit, cursor)


@get(
    "/customers",
    security=BEARER,
    responses=_PROBLEMS,
    operation_class=_CsvOperation,
    operation_id="CustomersReport",
)
async def customers_report(
    request: Request[Any, Any, Any],
    reports: NamedDependency[ReportReader],
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[CustomersPage]:
    """Customers who booked in the period, by net sales, and the number of new ones."""
    return await _answer(request, reports, customers(read_period(from_, to)), limit, cursor)


@get(
    "/holds",
    security=BEARER,
    responses=_PROBLEMS,
    operation_class=_CsvOperation,
    operation_id="HoldsReport",
)
async def holds_report(
    request: Request[Any, Any, Any],
    reports: NamedDependency[ReportReader],
    show: Annotated[int, QueryParameter(ge=1, le=MAX_SHOW_ID, description="A show's id.")],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[HoldsPage]:
    """Holds of a show by customer: their number, their outcomes, and requests rejected for too many holds."""
    return await _answer(request, reports, holds(show), limit, cursor)


def report_routes() -> Router:
    """The router of all reports. Dependency to provide: `reports`."""
    handlers: list[Any] = [
        sales_report,
        occupancy_report,
        cancellations_report,
        customers_report,
        holds_report,
    ]
    return Router("/api/reports", route_handlers=handlers, guards=[staff_only, query_known], tags=["Reports"])


async def _answer(
    request: Request[Any, Any, Any],
    reports: ReportReader,
    query: Query[PageT],
    limit: int,
    cursor: str | None,
) -> Response[Any]:
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if not wants_csv(request.headers.get("accept", "")):
        return Response(await reports.page(query, limit, cursor), headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{query.file_name}"'
    first, table = await reports.csv(query, provide_caller(request).user_id)
    return TableResponse(first, table, CSV, headers)

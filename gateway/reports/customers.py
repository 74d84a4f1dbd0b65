"""The report on customers: their bookings in a period, and the number of new customers.

What staff sold to walk-ins is one row without a customer, so that the rows add up to the totals. Walk-ins count as no
customers: nobody knows how many they were, or whether they were new.
"""

from __future__ import annotations

from typing import Any

from gateway.reports.groups import SALES_HEADER, sales_cells, sales_figures
from gateway.reports.lines import Cell
from gateway.reports.query import Period, Query
from schemas.api_reports import CustomerRowBody, CustomersPage, SalesFigures

# Without a period: report_customers has one row for all days of a customer.
_ROWS_ALL_TIME = """
SELECT p.*, u.username FROM (
    SELECT *, gross - cancelled AS net FROM (
        SELECT user_id, currency, bookings, seats, gross, cancelled_bookings, cancelled_seats, cancelled, (
                   SELECT min(c.first_day) FROM report_customers c WHERE c.user_id = r.user_id) AS first_day
          FROM report_customers r) r
     WHERE $1::date IS NULL AND $2::date IS NULL
       AND ($4::bigint IS NULL OR (cancelled - gross, user_id, currency) > (-$4::bigint, $5::bigint, $6::text))
     ORDER BY cancelled - gross, user_id, currency LIMIT $3) p
  LEFT JOIN users u ON u.user_id = p.user_id
 ORDER BY p.cancelled - p.gross, p.user_id, p.currency"""
_COUNT_ALL_TIME = "SELECT count(DISTINCT user_id) FROM report_customers WHERE bookings > 0 AND user_id > 0"

# First the customers of the page, then their figures. Sums of doubles are exact below 2^53 minor units and take a
# third of the time of sums of bigint.
_PERIOD = "d.day >= coalesce($1::date, '-infinity') AND d.day <= coalesce($2::date, 'infinity')"
_NET = "sum(d.gross::float8 - d.cancelled::float8)"
_ROWS_IN_PERIOD = f"""
SELECT r.*, u.username, (SELECT min(c.first_day) FROM report_customers c WHERE c.user_id = r.user_id) AS first_day
  FROM (
    SELECT d.user_id, d.currency, sum(d.bookings) AS bookings, sum(d.seats) AS seats, sum(d.gross)::bigint AS gross,
           sum(d.cancelled_bookings) AS cancelled_bookings, sum(d.cancelled_seats) AS cancelled_seats,
           sum(d.cancelled)::bigint AS cancelled, {_NET}::bigint AS net
      FROM (SELECT d.user_id, d.currency FROM report_customer_days d WHERE {_PERIOD} GROUP BY d.user_id, d.currency
            HAVING $4::bigint IS NULL OR (-{_NET}, d.user_id, d.currency) > (-$4::bigint, $5::bigint, $6::text)
             ORDER BY -{_NET}, d.user_id, d.currency LIMIT $3) page
      JOIN report_customer_days d ON d.user_id = page.user_id AND d.currency = page.currency
     WHERE {_PERIOD} GROUP BY d.user_id, d.currency) r
  LEFT JOIN users u ON u.user_id = r.user_id
 ORDER BY -r.net, r.user_id, r.currency"""
_COUNT_IN_PERIOD = f"""
SELECT count(*) FROM (SELECT DISTINCT d.user_id FROM report_customer_days d
                       WHERE {_PERIOD} AND d.bookings > 0 AND d.user_id > 0) c"""

_TOTALS = """
SELECT t.*, p.* FROM (
    SELECT ({count}) AS customers,
           (SELECT count(*) FROM (SELECT user_id FROM report_customers WHERE user_id > 0 GROUP BY user_id
                                  HAVING min(first_day) >= coalesce($1::date, '-infinity')
                                     AND min(first_day) <= coalesce($2::date, 'infinity')) firsts) AS new) p
  LEFT JOIN (
    SELECT currency, sum(bookings)::bigint AS bookings, sum(seats)::bigint AS seats, sum(gross)::bigint AS gross,
           sum(cancelled_bookings)::bigint AS cancelled_bookings, sum(cancelled_seats)::bigint AS cancelled_seats,
           sum(cancelled)::bigint AS cancelled
      FROM report_sales d WHERE {period} GROUP BY currency) t ON true
 ORDER BY t.currency"""


def customers(period: Period) -> Query[CustomersPage]:
    """The query for customers by net sales, highest first."""
    all_time = period.from_day is None and period.to_day is None
    rows_sql = _ROWS_ALL_TIME if all_time else _ROWS_IN_PERIOD
    count_sql = _COUNT_ALL_TIME if all_time else _COUNT_IN_PERIOD

    def row_body(row: Any) -> CustomerRowBody:
        return CustomerRowBody(**_customer(row, period), **sales_figures(row))

    def page(rows: list[Any], totals: list[Any], next_cursor: str | None) -> CustomersPage:
        counted = totals[0]
        return CustomersPage(
            from_=period.from_text,
            to=period.to_text,
            customers=counted["customers"],
            new=counted["new"],
            returning=counted["customers"] - counted["new"],
            totals=[SalesFigures(**sales_figures(row)) for row in totals if row["currency"] is not None],
            items=[row_body(row) for row in rows],
            next_cursor=next_cursor,
        )

    def line(row: Any) -> list[Cell]:
        return [*_customer(row, period).values(), *sales_cells(row)]

    return Query(
        name="customers",
        period=period,
        rows=rows_sql,
        totals=_TOTALS.format(count=count_sql, period=_PERIOD),
        cursor=tuple[int, int, str],
        key=lambda row: (row["net"], row["user_id"], row["currency"]),
        page=page,
        header=("user_id", "username", "first_day", "new", *SALES_HEADER),
        line=line,
    )


def _customer(row: Any, period: Period) -> dict[str, Any]:
    first, user_id = row["first_day"], row["user_id"] or None
    return {
        "user_id": user_id,
        "username": row["username"],
        "first_day": first.isoformat(),
        "new": user_id is not None and (period.from_day is None or first >= period.from_day),
    }

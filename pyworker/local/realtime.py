"""Subscribing and leaving as the Realtime server does it, for tests and for the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from pyworker.local.realtime_filter import RealtimeFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import psycopg

EVENTS = ("INSERT", "UPDATE", "DELETE")

# One row for each published table that matches; `*` matches all, and an underscore in a name
# matches any character, since the server does not escape it. The same binding again, which is
# what a renewed token brings, only replaces the claims.
SUBSCRIBE = """
    insert into realtime.subscription as existing
        (subscription_id, entity, filters, claims, action_filter, selected_columns)
    select
        %(subscription_id)s::uuid,
        format('%%I.%%I', published.schemaname, published.tablename)::regclass,
        array(
            select row(f.column_name, f.op, f.value, f.negate)::realtime.user_defined_filter
            from unnest(
                %(columns)s::text[], %(operators)s::realtime.equality_op[],
                %(values)s::text[], %(negations)s::boolean[]
            ) as f (column_name, op, value, negate)
        ),
        %(claims)s::jsonb,
        %(event)s::text,
        %(selected)s::text[]
    from pg_catalog.pg_publication_tables as published
    where published.pubname = 'supabase_realtime'
        and published.schemaname like replace(%(schema)s::text, '*', '%%')
        and published.tablename like replace(%(table)s::text, '*', '%%')
    on conflict (
        subscription_id, entity, filters, action_filter, coalesce(selected_columns, '{}')
    )
    do update set claims = excluded.claims, created_at = now()
    returning existing.id
"""


def realtime_subscribe(
    connection: psycopg.Connection[Any],
    *,
    subscription_id: UUID,
    schema: str = "public",
    table: str = "*",
    filters: Sequence[RealtimeFilter | tuple[str, str, str]] = (),
    claims: Mapping[str, Any],
    event: str = "*",
    selected_columns: Sequence[str] | None = None,
) -> list[int]:
    """Inserts one binding and returns the ids of its rows, none when no published table matches.

    The connection is one of supabase_admin, as the server's. Committed on return, unless the
    caller has a transaction open. `claims` needs a `role`. Raises psycopg.Error for a filter that
    the table does not allow.
    """
    elements = [RealtimeFilter(*element) for element in filters]
    parameters = {
        "subscription_id": subscription_id,
        "schema": schema,
        "table": table,
        "columns": [element.column for element in elements],
        "operators": [element.operator for element in elements],
        "values": [element.value for element in elements],
        "negations": [element.negate for element in elements],
        "claims": Jsonb(dict(claims)),
        "event": event.upper() if event.upper() in EVENTS else "*",
        "selected": None if selected_columns is None else list(selected_columns),
    }
    with connection.transaction(), connection.cursor() as cursor:
        return [row[0] for row in cursor.execute(SUBSCRIBE, parameters).fetchall()]


def realtime_unsubscribe(
    connection: psycopg.Connection[Any], subscription_ids: Sequence[UUID]
) -> int:
    """Deletes the rows of bindings whose clients have gone; returns how many rows that were."""
    with connection.transaction():
        return connection.execute(
            "delete from realtime.subscription where subscription_id = any(%s::uuid[])",
            [list(subscription_ids)],
        ).rowcount

"""The checks that Supabase itself makes of a database have nothing to say about ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg

from pyworker.local.cluster import Cluster

Push = subprocess.CompletedProcess[str]
Supabase = Callable[..., Push]


def test_db_lint_reports_nothing(supabase: Supabase, pushed: Push, project: Path) -> None:
    """plpgsql_check over all functions; the platform's schemas are left out."""
    assert pushed.returncode == 0, pushed.stderr
    done = supabase(project, "db", "lint", "--schema", "freshness,public", "--fail-on", "warning")
    assert [
        (result["function"], issue["message"])
        for result in json.loads(done.stdout)["results"]
        for issue in result["issues"]
    ] == [], done.stdout
    assert done.returncode == 0, done.stderr


def test_db_lint_would_report_a_mistake(
    supabase: Supabase, pushed: Push, project: Path, cluster: Cluster
) -> None:
    """Otherwise an empty answer would prove nothing."""
    assert pushed.returncode == 0, pushed.stderr
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        connection.execute(
            "create function public.mistaken() returns void language plpgsql as"
            " 'begin perform absent_column from freshness.jobs; end'"
        )
        try:
            done = supabase(project, "db", "lint", "--fail-on", "warning")
        finally:
            connection.execute("drop function public.mistaken()")
    assert done.returncode == 1
    assert "public.mistaken" in done.stdout


def test_the_checks_report_nothing_of_what_registration_writes(
    supabase: Supabase, pushed: Push, project: Path, cluster: Cluster
) -> None:
    """Registration writes functions for each data type, and the subscription trigger's anew."""
    assert pushed.returncode == 0, pushed.stderr
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        connection.execute(
            "create schema private; create table private.quotes"
            " (symbol text primary key, price numeric, fetched_at timestamp, minutes integer);"
            "select freshness.register_data_type('a-quote', 'private.quotes', ttl => '1 hour',"
            " ttl_column => 'minutes', jitter => '1 minute');"
            "create table private.notes (symbol text primary key, note text not null,"
            " fetched_at timestamptz);"
            "select freshness.register_data_type('a-note', 'private.notes', ttl => '1 hour')"
        )
        try:
            linted = supabase(project, "db", "lint", "--schema", "freshness,public")
            advised = supabase(project, "db", "advisors", "--fail-on", "warn")
        finally:
            connection.execute(
                "select freshness.unregister_data_type('a-quote'),"
                " freshness.unregister_data_type('a-note'); drop schema private cascade"
            )
    assert "issues" not in linted.stdout, linted.stdout
    assert json.loads(advised.stdout)["results"] == []


def test_db_advisors_report_nothing(supabase: Supabase, pushed: Push, project: Path) -> None:
    """Security and performance advice at the level of a warning or above."""
    assert pushed.returncode == 0, pushed.stderr
    done = supabase(project, "db", "advisors", "--fail-on", "warn")
    assert json.loads(done.stdout)["results"] == []
    assert done.returncode == 0, done.stderr


def test_db_advisors_would_report_an_open_table(
    supabase: Supabase, pushed: Push, project: Path, cluster: Cluster
) -> None:
    """Otherwise an empty answer would prove nothing."""
    assert pushed.returncode == 0, pushed.stderr
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        connection.execute("create table public.unprotected (id integer primary key)")
        try:
            done = supabase(project, "db", "advisors", "--fail-on", "warn")
        finally:
            connection.execute("drop table public.unprotected")
    assert done.returncode == 1
    assert "rls_disabled_in_public" in done.stdout

"""The settings of a private cluster."""

from __future__ import annotations

from pyworker.local.installation import Installation


def server_configuration(installation: Installation, *, port: int, durable: bool) -> str:
    """Return the text of a configuration file that overrides what initdb wrote.

    Args:
        installation: decides whether pg_cron is loaded.
        port: the TCP port on 127.0.0.1.
        durable: False gives up safety against a crash of the machine, for speed. A crash of the
            server alone still loses nothing.
    """
    settings = {
        "listen_addresses": "'127.0.0.1'",
        "port": str(port),
        # The path of a socket is limited to about 100 characters; ours may be longer.
        "unix_socket_directories": "''",
        "max_connections": "200",
        "max_worker_processes": "24",
        # As on the platform: Realtime reads the publication by logical decoding.
        "wal_level": "logical",
        "password_encryption": "'scram-sha-256'",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "datestyle": "'iso, mdy'",
        "default_text_search_config": "'pg_catalog.english'",
        "log_line_prefix": "'%m [%p] %q%u@%d '",
        "log_lock_waits": "on",
        # When something was committed can then be told: the demo and the measurements need it.
        "track_commit_timestamp": "on",
    }
    if installation.has_extension("pg_cron"):
        settings |= {
            "shared_preload_libraries": "'pg_cron'",
            "cron.database_name": "'postgres'",
            # Otherwise pg_cron connects as a client, which needs a password.
            "cron.use_background_workers": "on",
        }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return f"# Written at each start; use 'alter system' for settings of your own.\n{lines}"

"""The worker's configuration for the demo's provider."""

from __future__ import annotations

import json

from pyworker.demo.data_types import DATA_TYPES

TIMEOUT = 5


def configuration(provider: str) -> str:
    """Return a `freshness.toml` that fetches the demo's data types from the provider's address."""
    tables = []
    for data_type in DATA_TYPES.values():
        place = f"refreshers.{data_type.name}"
        tables += [
            f"[{place}]",
            f"url = {json.dumps(f'{provider}/{data_type.path}/{{symbol}}')}",
            'rows = "data"',
            f"timeout = {TIMEOUT}",
            f"[{place}.headers]",
            'X-Api-Key = "${DEMO_API_KEY}"',
            f"[{place}.columns]",
            *(f'{column} = "{column}"' for column in data_type.columns),
            "",
        ]
    return "\n".join(tables)

"""What the workers fetch with: each call and each row carries the fence it was made under."""

from __future__ import annotations

import os

from pyworker import Context, Job, Row, refresher


async def _fetch(data_type: str, job: Job, context: Context) -> list[Row]:
    url = f"{os.environ['CHAOS_PROVIDER']}/{data_type}/{job.symbol}"
    answer = await context.http.get(url, params={"fence": job.fence})
    answer.raise_for_status()
    return [{"price": answer.json()["number"], "fence": job.fence}]


@refresher("quote")
async def quote(job: Job, context: Context) -> list[Row]:
    """Fetch from a source without a budget: it must be fresh again within seconds."""
    return await _fetch("quote", job, context)


@refresher("scarce")
async def scarce(job: Job, context: Context) -> list[Row]:
    """Fetch from a source that allows a tenth of what is due."""
    return await _fetch("scarce", job, context)


@refresher("asked")
async def asked(job: Job, context: Context) -> list[Row]:
    """Fetch what nobody watches, whenever somebody asks."""
    return await _fetch("asked", job, context)

"""The description of the endpoint for programs: OpenAPI 3.1, kept by hand in openapi.json."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def read_openapi() -> dict[str, Any]:
    """Return the document, with the version of this package."""
    document: dict[str, Any] = json.loads(
        files("pyworker.web").joinpath("openapi.json").read_text("utf-8")
    )
    document["info"]["version"] = version("supabase-freshness")
    return document


async def openapi(_request: Request) -> Response:
    """Answer with the document; anybody may read it."""
    return JSONResponse(read_openapi(), headers={"Cache-Control": "public, max-age=300"})

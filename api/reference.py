"""The API reference in a browser: Swagger UI and ReDoc over every surface's OpenAPI, without the internet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from api.kit.openapi import Document, merged
from cairn import __version__

# The package carries the scripts of Swagger UI and ReDoc; of its own code only the path of that folder is used.
_ASSETS = Path(str(files("fastapi_offline"))) / "static"

# Its policy is for ReDoc, which else asks another site for a picture.
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="img-src 'self' data:">
<link rel="icon" href="/docs/assets/favicon.png">{head}
<style>
body {{ margin: 0 }}
nav {{ font: 14px sans-serif; padding: .6em 1em; background: #1b1b1b; color: #fff }}
nav a {{ color: #9cf }}
</style>
</head><body>
<nav>
Cairn {version} &middot; API <select id="surface" aria-label="API">{options}</select> &middot;
<a href="{other}">{other_title}</a>
</nav>
<div id="reference"></div>
<script src="/docs/assets/{script}"></script>
<script>
const surface = document.getElementById("surface");
const wanted = new URLSearchParams(location.search).get("surface");
if (wanted) surface.value = wanted;
function show() {{
  const url = surface.value === "all" ? "/openapi.json" : "/" + surface.value + "/openapi.json";
  {show}
}}
surface.addEventListener("change", show);
show();
</script></body></html>
"""
_SWAGGER = "SwaggerUIBundle({url, dom_id: '#reference', deepLinking: true, persistAuthorization: true});"
_REDOC = "const place = document.getElementById('reference'); place.replaceChildren(); Redoc.init(url, {}, place);"


class Reference:
    """The OpenAPI documents of the surfaces, and two pages that show them."""

    def __init__(self, surfaces: Mapping[str, FastAPI]) -> None:
        """Take the surfaces' applications by name; those without routes are left out."""
        self._surfaces = surfaces
        self._all: Document | None = None

    def documents(self) -> dict[str, Document]:
        """Return the OpenAPI document of each surface that serves something."""
        documents = {name: app.openapi() for name, app in self._surfaces.items()}
        return {name: document for name, document in documents.items() if document["paths"]}

    def merged(self) -> Document:
        """Return the OpenAPI document of all surfaces, made once."""
        if self._all is None:
            self._all = merged(self.documents(), "Cairn", __version__)
        return self._all

    def routes(self) -> list[BaseRoute]:
        """Return the routes that serve documents and pages."""
        return [
            Route("/openapi.json", self._merged),
            *(Route(f"/{name}/openapi.json", self._document(name)) for name in self._surfaces),
            Route("/docs", self._swagger),
            Route("/redoc", self._redoc),
            Mount("/docs/assets", StaticFiles(directory=_ASSETS)),
        ]

    async def _merged(self, request: Request) -> Response:
        return JSONResponse(self.merged())

    def _document(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def document(request: Request) -> Response:
            return JSONResponse(self._surfaces[name].openapi())

        return document

    async def _swagger(self, request: Request) -> Response:
        head = '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">'
        return self._page("Cairn API", head, "swagger-ui-bundle.js", _SWAGGER, ("/redoc", "ReDoc"))

    async def _redoc(self, request: Request) -> Response:
        return self._page("Cairn API reference", "", "redoc.standalone.js", _REDOC, ("/docs", "Swagger UI"))

    def _page(self, title: str, head: str, script: str, show: str, other: tuple[str, str]) -> Response:
        names = ["all", *self.documents()]
        options = "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in names)
        path, other_title = other
        return HTMLResponse(
            _PAGE.format(
                title=title,
                head=head,
                version=__version__,
                options=options,
                script=script,
                show=show,
                other=path,
                other_title=other_title,
            )
        )

"""The operators' page and the API's documentation: a few files of our own, nothing loaded from elsewhere."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

SCRIPT, STYLE, HTML, ICON = "text/javascript", "text/css", "text/html", "image/svg+xml"

FILES = {
    "/": ("index.html", HTML),
    "/page.css": ("page.css", STYLE),
    "/page.js": ("page.js", SCRIPT),
    "/api.js": ("api.js", SCRIPT),
    "/camera_row.js": ("camera_row.js", SCRIPT),
    "/clock.js": ("clock.js", SCRIPT),
    "/day_bar.js": ("day_bar.js", SCRIPT),
    "/live.js": ("live.js", SCRIPT),
    "/player.js": ("player.js", SCRIPT),
    "/view.js": ("view.js", SCRIPT),
    "/icon.svg": ("icon.svg", ICON),
    "/api/docs": ("docs.html", HTML),
    "/api/docs.js": ("docs.js", SCRIPT),
}
"""All there is: no path of a request ever becomes the name of a file."""


def _route(path: str, name: str, media_type: str) -> None:
    content = (resources.files("server") / "page" / name).read_bytes()

    @router.get(path, response_class=Response, name=name)
    async def page() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})


for _path, (_name, _media_type) in FILES.items():
    _route(_path, _name, _media_type)

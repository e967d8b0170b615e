"""The page at `/` of the host: links to what the app has to look at."""

from __future__ import annotations

from dev.host.routing import Router

# Below the route prefix; each is shown where the app has such a route.
_PAGES = {
    "docs": "the API, to browse and try",
    "openapi.json": "its description, OpenAPI 3.1",
    "health": "whether the app and its storage are well",
    "workflows": "the workflows that were found",
}


def links(router: Router, prefix: str) -> dict[str, str]:
    """The paths of the app's pages, each with what it shows."""
    paths = {f"/{prefix}/{page}" if prefix else f"/{page}": text for page, text in _PAGES.items()}
    # A route with parameters takes any path, and says nothing of this one.
    return {path: text for path, text in paths.items() if (match := router.match("GET", path)) and not match.parameters}


def landing_page(router: Router, prefix: str) -> str:
    """The page, as HTML."""
    items = "".join(f'<li><a href="{path}">{path}</a>: {text}</li>\n' for path, text in links(router, prefix).items())
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Functions host</title>\n'
        f"<h1>Your functions host is up and running.</h1>\n<ul>\n{items}</ul>\n</html>\n"
    )

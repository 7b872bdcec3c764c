"""The pages as they were built: files that are read once, and `index.html` for every address of a page."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

STATIC = Path(__file__).with_name("static")
INDEX = "/index.html"
HASHED = "/assets/"  # where the build puts files whose names hold a digest of their content
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"  # may be kept, and its ETag is asked about each time
SMALLEST_PACKED = 1_000  # bytes; below a packet's size nothing is won
ETAG_BYTES = 10
KINDS = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Outlive</title>
<h1>The pages of the console are missing</h1>
<p>This installation came without them. In a checkout of the sources, <code>make console</code> builds them.
The API is served all the same, at <code>/v1</code>, described by <a href="/openapi.json">/openapi.json</a>.</p></html>
"""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file."""

    body: bytes
    packed: bytes | None
    etag: str
    kind: str
    cache: str


class Pages:
    """Serves a folder of built pages."""

    def __init__(self, folder: Path = STATIC) -> None:
        """Read the folder; later changes of it are not seen."""
        self._assets = {f"/{path.relative_to(folder).as_posix()}": _read(path, folder) for path in _files(folder)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in {"GET", "HEAD"}:
            return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        headers, path = Headers(scope=scope), scope["path"]
        asset = self._assets.get(path)
        if asset is None and _is_page(path, headers):
            asset = self._assets.get(INDEX)
            if asset is None:
                return HTMLResponse(MISSING, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        if asset is None:
            return Response("Not found.", status_code=HTTPStatus.NOT_FOUND, media_type="text/plain")
        return _of(asset, headers)


def _of(asset: Asset, headers: Headers) -> Response:
    is_packed = asset.packed is not None and "gzip" in headers.get("accept-encoding", "")
    etag = f'"{asset.etag}-gz"' if is_packed else f'"{asset.etag}"'
    said = {"ETag": etag, "Cache-Control": asset.cache, "Vary": "Accept-Encoding"}
    if etag in {known.strip().removeprefix("W/") for known in headers.get("if-none-match", "").split(",")}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=said)
    if is_packed:
        said["Content-Encoding"] = "gzip"
    return Response(asset.packed if is_packed else asset.body, headers=said, media_type=asset.kind)


def _is_page(path: str, headers: Headers) -> bool:
    """Return whether an address is that of a page: ids in it may have a dot, and then a browser says what it wants."""
    if path.startswith(HASHED):
        return False
    return not PurePosixPath(path).suffix or "text/html" in headers.get("accept", "")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _read(path: Path, folder: Path) -> Asset:
    body = path.read_bytes()
    kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_text = kind.startswith("text/") or kind in {"application/json", "image/svg+xml", KINDS[".webmanifest"]}
    packed = gzip.compress(body, mtime=0) if is_text and len(body) >= SMALLEST_PACKED else None
    is_hashed = f"/{path.relative_to(folder).as_posix()}".startswith(HASHED)
    return Asset(
        body=body,
        packed=packed,
        etag=hashlib.sha256(body).hexdigest()[: 2 * ETAG_BYTES],
        kind=kind,
        cache=FOR_EVER if is_hashed else ASK_AGAIN,
    )

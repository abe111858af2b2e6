"""Files of ambient noise: a link to send one by, the link itself, and reading it back."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from api.kit.auth import may
from api.kit.context import Context
from api.kit.deps import Uploads
from api.kit.route import PublicRoute, SurfaceRoute
from api.kit.unit_of_work import Unit
from api.voice.schemas.uploads import AmbientNoiseUpload, UploadedFile, UploadLink
from cairn.domain import uploads as domain
from cairn.domain.uploads.stored import open_file

FOLDER = "ambient-noise"
_BASE = f"/api/v1/workflow/{FOLDER}"

router = APIRouter(prefix=_BASE, tags=["uploads"], route_class=SurfaceRoute)
links = APIRouter(prefix=_BASE, tags=["uploads"], route_class=PublicRoute)

FileId = Annotated[str, Path(max_length=64)]
Name = Annotated[str, Path(max_length=255)]
_BINARY = {"audio/*": {"schema": {"type": "string", "format": "binary"}}}
_LINK_ERRORS: dict[int | str, dict[str, Any]] = {
    403: {"description": "The link is not one of this server, or was changed."},
    409: {"description": "The link has been used."},
    410: {"description": "The link has expired."},
    413: {"description": "The file is over 10 MiB."},
    415: {"description": "The file is of another type than was announced."},
    422: {"description": "The file is empty, or the link is not whole."},
}


@router.post("/upload-url", dependencies=[may("graphs:write")])
async def create_ambient_noise_upload(body: AmbientNoiseUpload, uploads: Uploads, request: Request) -> UploadLink:
    """Return a link that takes an audio file of at most 10 MiB by PUT, without a key, once, within 30 minutes."""
    made = await uploads.announce(FOLDER, body.filename, body.content_type)
    base = (request.app.state.context.settings.public_url or str(request.base_url)).rstrip("/")
    signed = urlencode({"expires": int(made.expires_at.timestamp()), "signature": made.signature})
    url = f"{base}/api/v1/workflow/{quote(made.file_key)}?{signed}"
    return UploadLink(upload_url=url, file_key=made.file_key, expires_at=made.expires_at)


@links.put(
    "/{file_id}/{name}",
    response_model=UploadedFile,
    responses=_LINK_ERRORS,
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def upload_ambient_noise(
    file_id: FileId,
    name: Name,
    expires: Annotated[int, Query(ge=0, le=253_402_300_799)],
    signature: Annotated[str, Query(min_length=1, max_length=100)],
    request: Request,
) -> domain.Upload:
    """Send the file by its link, which is all that is needed. When it fails, the link can be used again."""
    context: Context = request.app.state.context
    headers, file_key = request.headers, f"{FOLDER}/{file_id}/{name}"
    length = headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    kind = headers.get("content-type")
    incoming = domain.Incoming(file_key, expires, signature, kind, size, request.stream())
    return await domain.receive(context.database, context.storage, context.secret, incoming)


@router.get(
    "/{file_id}/{name}",
    dependencies=[may("graphs:read")],
    response_class=Response,
    responses={200: {"description": "The file.", "content": _BINARY}},
)
async def get_ambient_noise(file_id: FileId, name: Name, uploads: Uploads, request: Request, unit: Unit) -> Response:
    """Read a file that was uploaded."""
    found = await uploads.get(f"{FOLDER}/{file_id}/{name}")
    await unit.commit()  # no connection to the database is held while the storage is asked
    chunks = await open_file(request.app.state.context.storage, found)
    headers = {"Content-Length": str(found.size), "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(chunks, headers=headers, media_type=found.content_type)

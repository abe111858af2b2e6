"""Credentials: secrets that nodes and tools send along to outside services."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.voice.deps import Credentials
from api.voice.schemas.credentials import CreateCredential, Credential, DeletedCredential, UpdateCredential

router = APIRouter(prefix="/api/v1/credentials", tags=["credentials"], route_class=SurfaceRoute)

_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "Another credential has the name."}}


@router.get("/", dependencies=[may("credentials:read")])
async def list_credentials(credentials: Credentials) -> list[Credential]:
    """List credentials, newest first, without their secrets."""
    return [Credential.of(each) for each in await credentials.list()]


@router.post(
    "/",
    dependencies=[may("credentials:write")],
    responses=_TAKEN,
    openapi_extra=makes("credential_uuid", "uuid"),
)
async def create_credential(body: CreateCredential, credentials: Credentials) -> Credential:
    """Keep a secret, encrypted. It is sent where nodes and tools name its uuid, and never shown again."""
    made = await credentials.create(body.name, body.credential_type, body.credential_data, body.description)
    return Credential.of(made)


@router.get("/{credential_uuid}", dependencies=[may("credentials:read")])
async def get_credential(credential_uuid: str, credentials: Credentials) -> Credential:
    """Read a credential without its secret."""
    return Credential.of(await credentials.get(credential_uuid))


@router.put("/{credential_uuid}", dependencies=[may("credentials:write")], responses=_TAKEN)
async def update_credential(credential_uuid: str, body: UpdateCredential, credentials: Credentials) -> Credential:
    """Change a credential; requests that are sent from now on carry the new secret."""
    changed = await credentials.update(
        credential_uuid,
        name=body.name,
        description=body.description,
        kind=body.credential_type,
        secret=body.credential_data,
    )
    return Credential.of(changed)


@router.delete("/{credential_uuid}", dependencies=[may("credentials:write")])
async def delete_credential(credential_uuid: str, credentials: Credentials) -> DeletedCredential:
    """Remove a credential and its secret; nodes that name it fail from now on."""
    await credentials.delete(credential_uuid)
    return DeletedCredential(uuid=credential_uuid)

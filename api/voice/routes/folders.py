"""Folders of workflows."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.deps import Folders
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.voice.schemas.folders import Folder, FolderBody

router = APIRouter(prefix="/api/v1/folder", tags=["folders"], route_class=SurfaceRoute)
READ, WRITE = may("graphs:read"), may("graphs:write")
TAKEN = {409: {"description": "There is a folder with this name."}}


@router.get("", dependencies=[READ], include_in_schema=False)
@router.get("/", dependencies=[READ])
async def list_folders(folders: Folders) -> list[Folder]:
    """List all folders by name."""
    return [Folder.model_validate(folder) for folder in await folders.list()]


@router.post("", dependencies=[WRITE], include_in_schema=False)
@router.post("/", dependencies=[WRITE], responses={**TAKEN}, openapi_extra=makes("folder_id"))
async def create_folder(body: FolderBody, folders: Folders) -> Folder:
    """Make a folder."""
    return Folder.model_validate(await folders.create(body.name))


@router.put("/{folder_id}", dependencies=[WRITE], responses={**TAKEN})
async def rename_folder(folder_id: str, body: FolderBody, folders: Folders) -> Folder:
    """Give a folder another name."""
    return Folder.model_validate(await folders.rename(folder_id, body.name))


@router.delete("/{folder_id}", status_code=204, dependencies=[WRITE])
async def delete_folder(folder_id: str, folders: Folders) -> None:
    """Delete a folder. The workflows in it are then in none."""
    await folders.delete(folder_id)

"""The kinds of nodes."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.links import lists
from api.kit.route import SurfaceRoute
from api.voice.schemas.node_types import NodeTypes
from cairn.errors import NotFound
from cairn.graph.catalog import SPEC_VERSION, NodeSpec, node_type, node_types

router = APIRouter(prefix="/api/v1/node-types", tags=["node types"], route_class=SurfaceRoute)


@router.get(
    "",
    dependencies=[may("graphs:read")],
    response_model_exclude_none=True,
    openapi_extra=lists("name", "node_types", "name"),
)
async def list_node_types() -> NodeTypes:
    """List the kinds of nodes with the members of their data, those of calls first."""
    return NodeTypes(spec_version=SPEC_VERSION, node_types=node_types())


@router.get(
    "/{name}",
    dependencies=[may("graphs:read")],
    response_model_exclude_none=True,
    responses={404: {"description": "There is no such kind."}},
)
async def get_node_type(name: str) -> NodeSpec:
    """Read one kind of node by the `type` that definitions write."""
    found = node_type(name)
    if found is None:
        raise NotFound("No such node type.", code="node_type_not_found")
    return found

"""Decoding and encoding payloads, by Temporal's codec server protocol."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from api.codec.conventions import OperatorRoute, operator_may
from api.codec.schemas.payloads import Payloads
from cairn.temporal.remote_codec import RemoteCodec

router = APIRouter(prefix="/codec", tags=["payloads"], route_class=OperatorRoute)
Namespace = Annotated[str | None, Header(alias="X-Namespace", description="Sent by Temporal's tools; not heeded.")]


def _codec(request: Request) -> RemoteCodec:
    return RemoteCodec(request.app.state.context.temporal.client.data_converter)


@router.post("/decode", response_model_exclude_defaults=True, dependencies=[operator_may("codec:decode")])
async def decode(
    request: Request,
    body: Payloads,
    x_namespace: Namespace = None,
    preserve: Annotated[bool, Query(alias="preserveStorageRefs", description="Leave references as they are.")] = False,
) -> Payloads:
    """Decrypt payloads and fetch those that are references; what cannot be decoded comes back as it is."""
    return Payloads.of(await _codec(request).decode(body.messages(), preserve_references=preserve))


@router.post(
    "/download",
    response_model_exclude_defaults=True,
    dependencies=[operator_may("codec:decode")],
    responses={404: {"description": "A payload is no reference, or the storage has not what it refers to."}},
)
async def download(request: Request, body: Payloads, x_namespace: Namespace = None) -> Payloads:
    """Fetch and decrypt payloads that lie outside of history, from their references."""
    return Payloads.of(await _codec(request).download(body.messages()))


@router.post("/encode", response_model_exclude_defaults=True, dependencies=[operator_may("codec:encode")])
async def encode(request: Request, body: Payloads, x_namespace: Namespace = None) -> Payloads:
    """Encrypt payloads, as workers do, for what an operator starts or signals."""
    return Payloads.of(await _codec(request).encode(body.messages()))

"""Page numbers of list endpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel

MAX_PAGE = 1_000_000
"""Further pages than this are refused: no list is so long, and a database would have to count its way there."""

PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Page number, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=100, description="Items per page.")]


class PageParams(BaseModel):
    """Which page of a list."""

    page: int
    page_size: int
    anchor: int | None = None


async def page_params(
    page: PageNumber = 1,
    page_size: PageSize = 20,
    anchor: Annotated[
        int | None,
        Query(ge=0, le=2**53, description="`anchor` of the first page: what is added meanwhile then shifts nothing."),
    ] = None,
) -> PageParams:
    """Read ``page``, ``page_size`` and ``anchor`` of the query."""
    return PageParams(page=page, page_size=page_size, anchor=anchor)


Paged = Annotated[PageParams, Depends(page_params)]

"""The condition ``If-Match`` (RFC 9110): change a thing only as it was read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header


async def if_match(
    tag: Annotated[
        str | None,
        Header(
            alias="If-Match",
            pattern=r'^(\*|(W/)?"?[0-9]{1,15}"?)$',
            description="The revision, `version` or `ETag` that was read: when it is not the present one, nothing is "
            "changed. `*` is any.",
        ),
    ] = None,
) -> int | None:
    """Return the revision that the header asks for; None for any."""
    return None if tag in (None, "*") else int(tag.removeprefix("W/").strip('"'))


IfMatch = Annotated[int | None, Depends(if_match)]

"""The activity that removes stored payloads which no history refers to: its payloads and reference."""

from __future__ import annotations

from pydantic import BaseModel

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.operations import Nothing

BLOBS_WORKFLOW_TYPE = "CollectBlobs"
BLOBS_SCHEDULE_ID = "cairn-blobs"


class Swept(BaseModel):
    """What a sweep found among the objects that are old enough.

    Attributes:
        kept: objects that some history may refer to.
        removed: objects that none refers to.
        freed: bytes of those.
    """

    kept: int = 0
    removed: int = 0
    freed: int = 0


COLLECT_BLOBS = ActivityRef("collect_blobs", Nothing, Swept)

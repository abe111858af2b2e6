"""Graphs as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from cairn.contracts.executions import GraphRef
from cairn.contracts.json import JsonObject
from cairn.graph.model import GraphIssue
from cairn.persistence.tables import GraphRow, GraphVersionRow

GraphStatus = Literal["active", "archived"]
VersionStatus = Literal["draft", "published", "archived"]


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version as the history of its graph shows it.

    Attributes:
        id: of the version itself.
        version: number within the graph, from 1.
        author: who wrote it, or changed the draft last.
    """

    id: int
    version: int
    status: VersionStatus
    node_count: int
    author: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None

    @classmethod
    def of(cls, row: GraphVersionRow) -> VersionSummary:
        """Make it of its row."""
        return cls(
            id=cast("int", row.id),
            version=row.version,
            status=cast("VersionStatus", row.status),
            node_count=row.node_count,
            author=row.author,
            created_at=row.created_at,
            updated_at=row.updated_at,
            published_at=row.published_at,
        )


@dataclass(frozen=True, slots=True)
class GraphVersion:
    """One version of a graph.

    Attributes:
        id: of the version itself.
        graph_id: number of the graph; ``graph_uuid`` is its other id, ``graph_name`` what people call it.
        version: number within the graph, from 1.
        definition: as its author sent it; not to be changed in place.
        digest: SHA-256 of the definition's canonical JSON.
    """

    id: int
    graph_id: int
    graph_uuid: str
    graph_name: str = field(compare=False)
    version: int
    status: VersionStatus
    definition: JsonObject
    digest: str
    node_count: int
    author: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None

    @property
    def ref(self) -> GraphRef:
        """The reference by which an execution is pinned to this version."""
        return GraphRef(workflow_id=self.graph_uuid, version_id=self.id, version=self.version, digest=self.digest)

    @property
    def pin(self) -> JsonObject:
        """The columns of an execution's row that say what it runs."""
        return {
            "graph_id": self.graph_id,
            "workflow_uuid": self.graph_uuid,
            "version_id": self.id,
            "version": self.version,
            "digest": self.digest,
        }

    @classmethod
    def of(cls, row: GraphVersionRow, graph: GraphRow) -> GraphVersion:
        """Make it of its row and its graph's."""
        return cls(
            id=cast("int", row.id),
            graph_id=row.graph_id,
            graph_uuid=graph.uuid,
            graph_name=graph.name,
            version=row.version,
            status=cast("VersionStatus", row.status),
            definition=row.definition,
            digest=row.digest,
            node_count=row.node_count,
            author=row.author,
            created_at=row.created_at,
            updated_at=row.updated_at,
            published_at=row.published_at,
        )


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """A graph as lists show it.

    Attributes:
        id: number that callers see; ``uuid`` is the other id.
        revision: +1 for each change.
        node_count: of the current version.
        total_runs: executions of any version.
    """

    id: int
    uuid: str
    name: str
    status: GraphStatus
    folder_id: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    node_count: int
    total_runs: int

    @classmethod
    def of(cls, row: GraphRow, node_count: int, total_runs: int) -> GraphSummary:
        """Make it of its row."""
        return cls(
            id=cast("int", row.id),
            uuid=row.uuid,
            name=row.name,
            status=cast("GraphStatus", row.status),
            folder_id=row.folder_id,
            revision=row.revision,
            created_at=row.created_at,
            updated_at=row.updated_at,
            node_count=node_count,
            total_runs=total_runs,
        )


@dataclass(frozen=True, slots=True)
class GraphCount:
    """How many graphs there are."""

    active: int
    archived: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.active + self.archived


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph with what it is now.

    Attributes:
        summary: its row in lists.
        configuration: settings that hold for all versions.
        current: the draft if there is one, else the published version.
        published: the version that new executions run, if any.
        trigger_paths: held by the draft and the published version.
        issues: of the current version, when the call validated it; else empty.
    """

    summary: GraphSummary
    configuration: JsonObject
    current: GraphVersion
    published: GraphVersion | None
    trigger_paths: Sequence[str]
    issues: Sequence[GraphIssue] = ()

    @property
    def id(self) -> int:
        """The number that callers see."""
        return self.summary.id

    @property
    def uuid(self) -> str:
        """The other id that callers see."""
        return self.summary.uuid

"""question: a person is asked; returns the answer, of the form that the schema asks for."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ConfigDict, Field

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.approval import RequestData, asked, texts_of
from cairn.graph.nodes.base import NodeKind, Scope, Sources
from cairn.graph.schema import check_schema


class QuestionData(RequestData):
    """Data of a question node.

    Attributes:
        answer_schema: JSON Schema of the answer (``schema`` in the definition); None for anything.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    answer_schema: JsonObject | None = Field(default=None, alias="schema")


class Question(NodeKind[QuestionData]):
    """The kind."""

    def resolve(self, data: QuestionData, scope: Scope) -> JsonObject:
        """Render the prompt."""
        return {**asked(data, scope), "schema": data.answer_schema}

    def problems(self, data: QuestionData) -> Iterable[tuple[str, str]]:
        """The schema has to be one."""
        for problem in check_schema(data.answer_schema) if data.answer_schema is not None else ():
            yield "schema", f"Schema is not valid: {problem}"

    def texts(self, data: QuestionData) -> Sources:
        """The prompt and the URL."""
        return texts_of(data)


KIND = Question(type="question", Data=QuestionData, waits_for="question", checkpointed=True)

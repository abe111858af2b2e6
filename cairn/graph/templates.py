"""Texts: the templates of prompts, URLs and messages.

``{{ query }}`` and ``{{ state.plan.title }}`` insert values, ``{{ name | there }}`` has a fallback, ``if`` and ``for``
choose and repeat. They run inside workflows, so they see only the scope, and time and output are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import minijinja

from cairn.contracts.json import Json, JsonObject
from cairn.graph.scope import Path, ScopeError, Size, narrow
from cairn.graph.template_filters import FILTERS, MAX_OUTPUT, FilterRefused, emit
from cairn.graph.template_syntax import Checked, SyntaxRefused, check_syntax

MAX_SOURCE = 65_536
"""Characters of a source."""
_MAX_FUEL = 100_000
_MAX_READ = 1_000_000_000


class TemplateError(ValueError):
    """A text that does not parse, or whose rendering failed; the message is for its author."""

    code = "template"

    def __init__(self, message: str) -> None:
        """Make an error with a message for the author."""
        super().__init__(message)
        self.message = message


class Text:
    """A compiled template; safe to share.

    Attributes:
        source: as written.
    """

    __slots__ = ("_checked", "_environment", "source")

    def __init__(self, source: str, checked: Checked, environment: minijinja.Environment | None) -> None:
        """Use :func:`compile_text`."""
        self.source = source
        self._checked = checked
        self._environment = environment

    def names(self) -> frozenset[str]:
        """Return the names that it reads: those of the scope, and members of ``input``."""
        if self._environment is None:
            return frozenset()
        return frozenset(self._environment.undeclared_variables_in_template("text"))

    def paths(self) -> frozenset[Path]:
        """Return the values that it reads, as keys from a name that ``names`` gives inwards."""
        if self._environment is None:
            return frozenset()
        found = self._environment.undeclared_variables_in_template("text", nested=True)
        return frozenset(tuple(each.split(".")) for each in found)

    def render(self, scope: Mapping[str, Json]) -> str:
        """Render over a scope.

        What is missing or null renders as nothing, a text as it is, any other value as JSON.

        Args:
            scope: ``input``, ``state``, ``outputs``, ``execution``; the members of ``input`` are names as well.

        Raises:
            TemplateError: a value that cannot be looped over, or too much work or output.
        """
        if self._environment is None:
            return self.source
        members = scope.get("input")
        context: JsonObject = {**cast(JsonObject, members), **scope} if isinstance(members, dict) else dict(scope)
        try:
            if self._checked.loops:
                _check_cost(self._checked, self._environment, context)
            result = self._environment.render_template("text", **context)
        except TemplateError:
            raise
        except ScopeError as error:
            raise TemplateError(str(error)) from None
        except Exception as error:
            raise TemplateError(_message(error)) from None
        if len(result) > MAX_OUTPUT:
            raise TemplateError(f"the text is longer than {MAX_OUTPUT} characters")
        return result


@lru_cache(maxsize=1024)
def compile_text(source: str) -> Text:
    """Compile a template.

    Raises:
        TemplateError: it is too long, does not parse, or uses what texts do not have.
    """
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"the text has more than {MAX_SOURCE} characters")
    try:
        source.encode()
        checked = check_syntax(source, FILTERS)
        has_tags = "{{" in source or "{%" in source or "{#" in source
        return Text(source, checked, _environment(checked) if has_tags else None)
    except UnicodeEncodeError:
        raise TemplateError("the text is not valid Unicode") from None
    except SyntaxRefused as error:
        raise TemplateError(str(error)) from None
    except Exception as error:
        raise TemplateError(_message(error)) from None


def _environment(checked: Checked) -> minijinja.Environment:
    # Fuel counts instructions, and one instruction may emit all the plain text of a loop's body.
    fuel = min(_MAX_FUEL, 1_000 + 20 * MAX_OUTPUT // max(1, checked.looped_text))
    environment = minijinja.Environment(
        fuel=fuel,
        debug=False,
        pycompat=False,
        undefined_behavior="chainable",
        auto_escape_callback=lambda _: False,
        keep_trailing_newline=True,
        finalizer=emit,
    )
    for name, function in FILTERS.items():
        environment.add_filter(name, function)
    environment.add_template("text", checked.source)
    return environment


def _check_cost(checked: Checked, environment: minijinja.Environment, context: JsonObject) -> None:
    """Refuse loops that would read large texts very often: each time a text is copied to the library."""
    names = environment.undeclared_variables_in_template("text", nested=True)
    size = Size(narrow(context, sorted(tuple(name.split(".")) for name in names)))
    rounds = min(_MAX_FUEL, max(1, size.longest) ** checked.loops)
    if rounds * size.widest * checked.references > _MAX_READ:
        raise TemplateError("the text's loops would read too much data")


def _message(error: Exception) -> str:
    if isinstance(error, FilterRefused):
        return str(error)
    if isinstance(error, minijinja.TemplateError):
        if error.kind == "OutOfFuel":
            return "the text takes too many steps"
        return re.sub(r" \(in [^()]*?(?::(\d+))?\)$", r" (line \1)", str(error).partition("\n")[0])[:500]
    return "the text cannot be rendered"

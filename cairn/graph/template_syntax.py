"""The part of the template language that texts may use, checked before the library sees a source.

The library's whole language can grow without bound what it was given (doubling a variable, repeating a text, calling
methods of the values). What is let through cannot: values and their members, filters of our own, ``if`` and ``for``,
comparisons with a literal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

MAX_TAG_TOKENS = 200
MAX_NESTING = 10

_OPEN = re.compile(r"\{\{[-+]?|\{%[-+]?|\{#")
_TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<close>[-+]?(?:\}\}|%\}))
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<compare>==|!=|<=|>=|<|>)
      | (?P<mark>[|.,()\[\]])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
# Whatever stands between is taken apart afterwards: two repetitions side by side would take time without bound.
_FALLBACK = re.compile(r"(\{\{[-+]?\s*)([A-Za-z_]\w*(?:\.\w+)*)\s*\|([^|{}]*)\}\}", re.ASCII)
_QUOTED = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")
_FILTER = re.compile(r"([A-Za-z_]\w*)(\(?)", re.ASCII)
_BEYOND_WORDS = frozenset("()[]'\"%#")

_WORDS = frozenset({"and", "or", "not", "is", "in", "if", "else", "elif", "for"})
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "true", "false", "mapping", "iterable", "odd", "even"}
)


class SyntaxRefused(ValueError):
    """A source outside of the language; the message is for its author."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A source that may be given to the library.

    Attributes:
        source: with ``{{ name | some text }}`` written as a default.
        loops: how deep its loops nest.
        looped_text: characters of plain text inside loops.
        references: tokens that read a value, an upper bound.
    """

    source: str
    loops: int
    looped_text: int
    references: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def check_syntax(source: str, filters: Collection[str]) -> Checked:
    """Check a source.

    Args:
        source: of a text.
        filters: the filters it may use.

    Raises:
        SyntaxRefused: it uses something that texts do not have, or a tag is not closed.
    """
    source = _FALLBACK.sub(lambda match: _fallback(match, filters), source)
    at = looped = loops = depth = references = 0
    opened: list[str] = []
    while True:
        begin = _OPEN.search(source, at)
        text_end = begin.start() if begin else len(source)
        looped += (text_end - at) if depth else 0
        if begin is None:
            break
        at = begin.end()
        if begin[0] == "{#":
            at = source.find("#}", at) + 2
            if at == 1:
                raise SyntaxRefused(f"a comment is not closed (line {_line(source, begin.start())})")
            continue
        try:
            tokens, at = _tag(source, begin)
            if begin[0].startswith("{%"):
                _check_statement(tokens, opened, filters)
                depth = opened.count("for")
                loops = max(loops, depth)
            else:
                _check_value(tokens, filters, depth)
        except SyntaxRefused as error:
            raise SyntaxRefused(f"{error} (line {_line(source, begin.start())})") from None
        references += sum(t.kind == "name" for t in tokens)
    if opened:
        raise SyntaxRefused(f"{{% {opened[-1]} %}} is not closed")
    return Checked(source, loops, looped, references)


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1


def _fallback(match: re.Match[str], filters: Collection[str]) -> str:
    opening, path, said = match.groups()
    trims = said[-1:] if said[-1:] in ("-", "+") else ""
    word = said.removesuffix(trims).strip()
    if not word or _is_filter(word, filters):
        return match[0]
    word = word.removeprefix("fallback:").strip()
    quoted = _QUOTED.fullmatch(word)
    word = (quoted[1] or quoted[2] or "") if quoted else word
    return f"{opening}{path} | default({json.dumps(word, ensure_ascii=False)}) {trims}}}}}"


def _is_filter(said: str, filters: Collection[str]) -> bool:
    """Whether what follows the bar is a filter, right or wrong, and not a fallback in plain words."""
    name = _FILTER.match(said)
    if name is None:
        return False
    if name[1] in filters:
        return said == name[1] or not _BEYOND_WORDS.isdisjoint(said)
    return name[2] == "("


def _tag(source: str, begin: re.Match[str]) -> tuple[list[_Token], int]:
    """Return the tokens of one tag and where it ends."""
    end = "}}" if begin[0].startswith("{{") else "%}"
    tokens: list[_Token] = []
    at = begin.end()
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise SyntaxRefused(f"'{source[at]}' is not available in texts: compute the value in a transform node")
        at = match.end()
        if match.lastgroup == "close":
            if not match[0].endswith(end):
                raise SyntaxRefused(f"a tag that begins with {begin[0][:2]} ends with {match[0]}")
            return tokens, at
        if match.lastgroup != "blank":
            tokens.append(_Token(str(match.lastgroup), match[0]))
        if len(tokens) > MAX_TAG_TOKENS:
            raise SyntaxRefused(f"a tag has more than {MAX_TAG_TOKENS} parts")
    raise SyntaxRefused("a tag is not closed")


def _check_statement(tokens: list[_Token], opened: list[str], filters: Collection[str]) -> None:
    word = tokens[0].text if tokens else ""
    rest = tokens[1:]
    _nest(word, opened)
    if word == "for":
        names = [t.text for t in rest]
        if "in" not in names:
            raise SyntaxRefused("{% for %} needs 'in'")
        rest = rest[names.index("in") + 1 :]
    if word in ("if", "elif", "for"):
        _check_value(rest, filters, opened.count("for"))
    elif rest:
        raise SyntaxRefused(f"{{% {word} %}} takes nothing")


def _nest(word: str, opened: list[str]) -> None:
    """Follow which blocks are open."""
    if word in ("if", "for"):
        opened.append(word)
        if len(opened) > MAX_NESTING:
            raise SyntaxRefused(f"tags nest deeper than {MAX_NESTING}")
    elif word in ("elif", "else"):
        if not opened:
            raise SyntaxRefused(f"{{% {word} %}} stands alone")
    elif word in ("endif", "endfor"):
        if not opened or opened.pop() != word.removeprefix("end"):
            raise SyntaxRefused(f"{{% {word} %}} has no {{% {word.removeprefix('end')} %}}")
    else:
        raise SyntaxRefused(f"{{% {word} %}} is not available in texts: only if, elif, else and for")


def _check_value(tokens: list[_Token], filters: Collection[str], loops: int) -> None:
    if not tokens:
        raise SyntaxRefused("a tag is empty")
    none = _Token("none", "")
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else none
        after = tokens[i + 1] if i + 1 < len(tokens) else none
        if token.kind == "name":
            _check_name(token, tokens[max(0, i - 2) : i], filters, loops)
        elif token.text == "(" and _is_operand(before) and not (i > 1 and tokens[i - 2].text == "|"):
            raise SyntaxRefused("functions and methods are not available in texts")
        elif token.text == "[" and not _is_operand(before):
            raise SyntaxRefused("lists cannot be written in texts")
        elif token.kind == "compare" and not (_is_literal(before) or _is_literal(after)):
            raise SyntaxRefused(f"one side of '{token.text}' must be a literal")


def _check_name(token: _Token, before: list[_Token], filters: Collection[str], loops: int) -> None:
    previous = [t.text for t in before if t.kind != "string"]
    if previous[-1:] == ["."]:
        if token.text.startswith("__"):
            raise SyntaxRefused(f"'{token.text}' is not available in texts")
    elif previous[-1:] == ["|"]:
        if token.text not in filters:
            raise SyntaxRefused(f"unknown filter '{token.text}'")
    elif previous[-1:] == ["is"] or previous == ["is", "not"]:
        if token.text not in _TESTS | {"not"}:
            raise SyntaxRefused(f"unknown test '{token.text}'")
    elif token.text == "in" and loops:
        raise SyntaxRefused("'in' is not available inside loops")
    elif token.text == "recursive":
        raise SyntaxRefused("'recursive' is not available in texts")


def _is_operand(token: _Token) -> bool:
    return token.text in (")", "]") or token.kind == "string" or (token.kind == "name" and token.text not in _WORDS)


def _is_literal(token: _Token) -> bool:
    return token.kind in ("string", "number") or token.text in _CONSTANTS

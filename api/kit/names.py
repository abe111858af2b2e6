"""Names that people give: blanks around one are left out before it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_CONTROL = r"\x00-\x1f\x7f-\x9f"
_ANY, _SHOWN, _BLANK = rf"[^{_CONTROL}]", rf"[^\s{_CONTROL}]", rf"[^\S{_CONTROL}]"


def _of_at_most(longest: int) -> type[str]:
    def trim(value: str) -> str:
        value = value.strip()
        if len(value) > longest:
            message = "String should have at most {max_length} characters"
            raise PydanticCustomError("string_too_long", message, {"max_length": longest})
        return value

    whole = rf"^{_BLANK}*{_SHOWN}({_ANY}{{0,{longest - 2}}}{_SHOWN})?{_BLANK}*$"
    return Annotated[  # pyright: ignore[reportReturnType]
        str,
        # What it says when it refuses a name is short; what is documented has the length as well.
        Field(min_length=1, pattern=rf"^{_ANY}*{_SHOWN}{_ANY}*$", json_schema_extra={"pattern": whole}),
        AfterValidator(trim),
    ]


if TYPE_CHECKING:
    Name = FolderName = str
else:
    Name, FolderName = _of_at_most(255), _of_at_most(100)

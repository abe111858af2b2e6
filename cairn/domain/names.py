"""Names that people give to things."""

from __future__ import annotations

import unicodedata

from cairn.errors import FieldError, InvalidInput

_UNSHOWN = ("Cc", "Cs")


def checked_name(name: str, longest: int) -> str:
    """Return a name without the blanks around it.

    Raises:
        InvalidInput: it is blank, has more than ``longest`` characters, or holds control characters.
    """
    name = name.strip()
    if not name or len(name) > longest or any(unicodedata.category(character) in _UNSHOWN for character in name):
        message = f"must be 1 to {longest} characters, none of them a control character"
        raise InvalidInput("The name is not valid.", errors=[FieldError("/name", message)])
    return name

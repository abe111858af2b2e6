"""Names that people give to things."""

from __future__ import annotations

import unicodedata

from cairn.errors import FieldError, InvalidInput

_UNSHOWN = ("Cc", "Cs")


def checked_name(name: str, longest: int, field: str = "name") -> str:
    """Return a name without the blanks around it; ``field`` is where the caller has written it.

    Raises:
        InvalidInput: it is blank, has more than ``longest`` characters, or holds control characters.
    """
    name = name.strip()
    if not name or len(name) > longest or any(unicodedata.category(character) in _UNSHOWN for character in name):
        message = f"must be 1 to {longest} characters, none of them a control character"
        raise InvalidInput(f"The {field} is not valid.", errors=[FieldError(f"/{field}", message)])
    return name

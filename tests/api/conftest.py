"""The API over a database of each kind, a real Temporal server and a worker in this process.

Most tests share one installation (``callers``, ``caller``). Those that need one of their own take ``cairn`` or
``idle_cairn`` (without a worker).
"""

from installation import cairn, idle_cairn, world  # noqa: F401
from lasting import caller, callers, lasting, lasting_url  # noqa: F401
from logged import log  # noqa: F401
from served import author, settings  # noqa: F401

"""Tools that authors make over the API, beside those of the installation.

Nodes of calls name them by uuid; agents and other nodes call by name those that have one.
"""

from cairn.domain.tools.authored.model import AuthoredTool, native_uuid
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.authored.spec import ToolSpec, read_spec
from cairn.domain.tools.authored.toolbox import Toolbox

__all__ = ["AuthoredTool", "ToolService", "ToolSpec", "Toolbox", "native_uuid", "read_spec"]

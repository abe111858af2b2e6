"""Tools that authors make over the API, beside those of the installation; nodes of calls name them by uuid."""

from cairn.domain.tools.authored.model import AuthoredTool, native_uuid
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.authored.toolbox import Toolbox

__all__ = ["AuthoredTool", "ToolService", "Toolbox", "native_uuid"]

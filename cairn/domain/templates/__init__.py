"""Templates: graphs that come with an installation, to be copied or filled."""

from cairn.domain.templates.model import Template, find_template, templates
from cairn.domain.templates.nearest import fill_nearest
from cairn.domain.templates.service import TemplateService

__all__ = ["Template", "TemplateService", "fill_nearest", "find_template", "templates"]

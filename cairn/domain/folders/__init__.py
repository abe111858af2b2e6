"""Folders, in which authors keep graphs."""

from cairn.domain.folders.service import Folder, FolderService

__all__ = ["Folder", "FolderService"]

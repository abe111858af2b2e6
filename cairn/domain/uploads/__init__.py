"""Files that callers send by a signed link of the server's own."""

from cairn.domain.uploads.model import LIFETIME, MAX_SIZE, Announced, Upload
from cairn.domain.uploads.receive import Incoming, receive
from cairn.domain.uploads.service import UploadService
from cairn.domain.uploads.sweep import sweep

__all__ = ["LIFETIME", "MAX_SIZE", "Announced", "Incoming", "Upload", "UploadService", "receive", "sweep"]

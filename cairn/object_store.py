"""Opening the object stores that URLs name: a folder, S3 and what speaks its language, Google's and Azure's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, ObjectStore, from_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_CLIENT: ClientConfig = {"allow_http": True, "connect_timeout": "5s", "timeout": "30s"}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


def open_store(url: str) -> ObjectStore:
    """Open the object store at a URL.

    Args:
        url: ``file:///folder`` (made when absent), ``s3://bucket/prefix``, ``gs://…`` or ``az://…``. Credentials,
            region and endpoint of S3 come from the standard variables (``AWS_ACCESS_KEY_ID``,
            ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``; the endpoint may be plain http).

    Raises:
        ValueError: no storage is known for the URL, or the folder cannot be made.
    """
    try:
        if urlsplit(url).scheme == "file":
            return LocalStore.from_url(url, mkdir=True, automatic_cleanup=True)
        return from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (ObstoreError, ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"Storage {url!r} cannot be opened: {reason}. Use file:///folder or s3://bucket.") from error

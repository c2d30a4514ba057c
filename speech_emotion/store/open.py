"""A store by its name on the command line."""

from __future__ import annotations

from pathlib import Path

from speech_emotion.errors import StoreError
from speech_emotion.store.base import Store
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.folder import FolderStore


def open_store(location: str | Path) -> Store:
    """The store at a folder, `s3://bucket/prefix` or `gs://bucket/prefix`. Raises StoreError."""
    text = str(location)
    if "://" not in text:
        return FolderStore(Path(text))
    try:
        return BucketStore(text)
    except (ImportError, ValueError) as error:
        raise StoreError(f"{text} cannot be opened: {error}; a bucket needs the extra `buckets`") from error
    except OSError as error:
        raise StoreError(f"{text} cannot be opened: {error}") from error

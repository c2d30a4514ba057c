"""What a publisher that was killed leaves in a bucket. Ages are those of the newest object, by the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from speech_emotion.store.objects import modified


def is_older(files: Any, path: str, than_s: float) -> bool:
    """Whether the newest object at or below `path` was written more than `than_s` ago; false if there is none."""
    newest = max(map(modified, files.find(path, detail=True).values()), default=None)
    return newest is not None and _age_s(newest) > than_s


def abort_uploads(files: Any, folder: str, older_than_s: float) -> int:
    """End uploads of large files in parts, below a folder of an S3 bucket, and say how many.

    No listing shows such parts, but they cost as much as objects.
    """
    bucket, _, prefix = f"{folder}/".partition("/")
    left = [
        upload
        for upload in files.list_multipart_uploads(bucket)
        if upload["Key"].startswith(prefix) and _age_s(upload["Initiated"]) > older_than_s
    ]
    for upload in left:
        files.abort_mpu(bucket, upload["Key"], upload["UploadId"])
    return len(left)


def _age_s(at: datetime) -> float:
    return (datetime.now(UTC) - at).total_seconds()

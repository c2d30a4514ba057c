"""Take TensorFlow's generated modules out of its wheel: `extract_protos.py WHEEL TARGET`."""

import sys
import zipfile
from pathlib import Path


def main(wheel: str, target: str) -> None:
    """Write each `*_pb2*.py` of the wheel below `target`, and a bare `tensorflow/__init__.py` beside them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("tensorflow/") and name.endswith(("_pb2.py", "_pb2_grpc.py")):
                archive.extract(name, target)
    (Path(target) / "tensorflow" / "__init__.py").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The packages of the extra `deploy`, imported where they are needed, with telemetry off."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from spectrolite.errors import MissingExtraError


def need(package: str) -> Any:
    """Import a package of the extra `deploy`.

    NNCF and OpenVINO's tools send usage data through `openvino_telemetry`, unasked. Hidden from
    them, they do without: this process sends nothing.

    Raises:
        MissingExtraError: it is not installed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{package.split('.')[0]} is not installed; pip install 'spectrolite[deploy]'"
        ) from error

"""Import packages of the extra `deploy` when they are needed, with telemetry off."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from spectrolite.errors import MissingExtraError


def need(package: str) -> Any:
    """Import a package of the extra `deploy`.

    NNCF and OpenVINO's tools send usage data through `openvino_telemetry` without asking. They
    work without that module, so it is hidden from them: this process sends nothing.

    Raises:
        MissingExtraError: the package is not installed.
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

"""Packages of the extra `deploy`: missing ones are named, and none sends usage data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import spectrolite as sl
from spectrolite.bundles.extras import need
from spectrolite.errors import MissingExtraError


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime", "openvino"])
def test_a_missing_package_is_named_with_the_command_to_install_it(
    digits_run: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    kind = "openvino" if name == "openvino" else "onnx"
    code, out, err = typed("export", digits_run.path, "--format", kind, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err == f"error: {name} is not installed; pip install 'spectrolite[deploy]'"
    assert list(tmp_path.iterdir()) == []


def test_a_failing_import_inside_a_package_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nothing_of_this_name'") as it:
        need("half_installed")
    assert not isinstance(it.value, MissingExtraError)


def test_no_usage_data_are_sent(tmp_path: Path) -> None:
    """In a process that does not look like a test or CI, and must not open a connection."""
    code = (
        "import socket\n"
        "def refuse(*_): raise SystemExit('a connection')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from spectrolite.bundles.extras import need\n"
        "nncf, openvino = need('nncf'), need('openvino')\n"
        "from nncf.telemetry.wrapper import telemetry\n"
        "import sys\n"
        "print(type(telemetry).__name__, sys.modules.get('openvino_telemetry'))\n"
    )

    hidden = ("PYTEST", "CI", "NNCF")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "HOME": str(tmp_path)},
    )
    assert done.stdout.split() == ["MagicMock", "None"]
    assert list(tmp_path.rglob("*telemetry*")) == list(tmp_path.glob("intel")) == []

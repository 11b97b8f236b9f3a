"""The programs of a real cluster: etcd, kube-apiserver and kubectl, built from the Go module beside this file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local.support.cache import cached

_MODULE = Path(__file__).parent
_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_WANTED = (
    "No kube-apiserver: install Go 1.25 or later (https://go.dev/dl), which builds one in a few minutes, "
    "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl."
)


def programs_folder() -> Path:
    """The folder of the three programs; the first call builds them, which takes minutes.

    A folder named by `KUBEBUILDER_ASSETS` (the convention of the Kubernetes ecosystem; `setup-envtest` fills
    one) is used as is.

    Raises:
        RuntimeError: Go is missing, or the given folder lacks a program.
        subprocess.CalledProcessError: a build failed; the reason is on standard error.
    """
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if not given:
        return cached(f"kube-{_pinned()}", _build)
    missing = [program for program in _PACKAGES if not (Path(given) / program).is_file()]
    if missing:
        raise RuntimeError(f"KUBEBUILDER_ASSETS={given} lacks {', '.join(missing)}")
    return Path(given)


def _pinned() -> str:
    return hashlib.sha256((_MODULE / "go.sum").read_bytes()).hexdigest()[:16]


def _build(folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise RuntimeError(_WANTED)
    for program, package in _PACKAGES.items():
        print(f"building {program}, once; the three take several minutes", file=sys.stderr, flush=True)
        subprocess.run(
            [
                go,
                "build",
                "-trimpath",
                "-ldflags",
                f"-s -w {_version_flags()}",
                "-o",
                folder / program,
                package,
            ],
            cwd=_MODULE,
            env=os.environ | {"CGO_ENABLED": "0"},
            check=True,
        )


def _version_flags() -> str:
    """Linker flags that set the version, which clients ask for; a plain `go build` leaves it at v0.0.0."""
    version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\S*)", (_MODULE / "go.mod").read_text())
    assert version is not None
    named = zip(("gitVersion", "gitMajor", "gitMinor"), version.groups(), strict=True)
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in named)

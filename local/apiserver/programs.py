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
    "There is no kube-apiserver: install Go 1.25 or later (https://go.dev/dl), which builds one in some minutes, "
    "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl."
)


def programs_folder() -> Path:
    """The folder that holds the three programs; they are built at the first call, which takes minutes.

    A folder named by `KUBEBUILDER_ASSETS` (the convention of the Kubernetes ecosystem; `setup-envtest` fills
    one) is used as it is.

    Raises:
        RuntimeError: Go is missing, or the folder that was given lacks a program.
        subprocess.CalledProcessError: a build failed; the compiler has said why on standard error.
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
    """Linker flags with the version; a plain `go build` leaves it at v0.0.0, and clients ask for it."""
    version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\S*)", (_MODULE / "go.mod").read_text())
    assert version is not None
    named = zip(("gitVersion", "gitMajor", "gitMinor"), version.groups(), strict=True)
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in named)

"""How the catalogue is shown where a secret stands otherwise on one list than on another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sync.cli.show.secrets import show_secrets
from sync.findings import Code, Finding
from sync.reports.secrets import SecretReport, SecretState
from tests.support import certs
from tests.support.catalogues import candidate, entry
from tests.support.certs import NOW

if TYPE_CHECKING:
    import pytest

SECRET = entry("plc7", candidate(1, certs.server()), lists=("issuer", "trust"))
REFUSED = Finding(Code.NOT_A_CA, "CN=plc7")
HALF = SecretReport(SecretState.REJECTED, (REFUSED,), {"issuer": SecretState.REJECTED, "trust": SecretState.IN_FORCE})
WHOLE = SecretReport(SecretState.IN_FORCE, (), dict.fromkeys(("issuer", "trust"), SecretState.IN_FORCE))


def shown(report: SecretReport, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> str:
    show_secrets([(SECRET, report)], NOW, as_json=as_json)
    return capsys.readouterr().out


def test_the_lists_are_named_where_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(HALF, capsys, as_json=False).split())
    assert "plc7: rejected on issuer; in force on trust not-a-ca:" in text
    assert " on trust" not in shown(WHOLE, capsys, as_json=False)


def test_json_has_the_lists_where_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    (half,) = json.loads(shown(HALF, capsys, as_json=True))
    assert (half["state"], half["states"]) == ("rejected", {"issuer": "rejected", "trust": "in force"})
    (whole,) = json.loads(shown(WHOLE, capsys, as_json=True))
    assert (whole["state"], whole["states"]) == ("in force", {})

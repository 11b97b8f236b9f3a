"""Law 7 beside a sweep: the admission half (events and `check_drift`; plans wait) in every interleaving."""

from dataclasses import replace

import pytest

from tests.interleaving import explore
from tests.interleaving_halves import SMALL
from tests.test_law7_interleavings import row_without_etag


@pytest.mark.parametrize("name", SMALL)
def test_law_7_admissions_beside_a_sweep_in_every_interleaving(name):
    report = explore(SMALL[name]())
    assert not report.wrong, "\n".join(("", *next(iter(report.wrong.items()))[1]))
    assert not report.truncated
    assert report.ends


def test_law_7_a_row_written_without_its_etag_beside_a_sweep_is_found_out(monkeypatch):
    case = SMALL["admissions: AB, a sweep beside, two workers"]()
    assert explore(replace(case, wrap=row_without_etag(monkeypatch))).wrong

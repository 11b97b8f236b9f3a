"""Law 4 among workers: what each alone would be allowed to remove is counted together."""

from datetime import timedelta

from sync.admission import admit
from sync.secret import SecretKey
from tests import certs
from tests.service import HOST, Fleet, registration

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
NAMES = ("plc1", "plc2", "plc3", "plc4")


def test_law4_two_workers_together_remove_no_more_than_one_may():
    fleet = Fleet()
    fleet.enrol(registration("plant"))
    for name in NAMES:
        fleet.upload(name, certs.server(name=name).pem, TAGS)
    fleet.work_off()
    for name in NAMES[:2]:
        fleet.vault.delete(name)
    fleet.sweep()
    assert set(fleet.files("plant")) == {"plc3.der", "plc4.der"}

    for name in NAMES[2:]:
        fleet.vault.delete(name)
    others = [SecretKey.of(HOST, "plc4")]

    def meanwhile(label):
        if label.startswith("transact") and others:
            admit(fleet.service, others.pop())

    fleet.decisions.table.pause = meanwhile
    admit(fleet.service, SecretKey.of(HOST, "plc3"))
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    fleet.work_off()
    assert others == []
    assert set(fleet.files("plant")) == {"plc3.der"}
    entries = fleet.decisions.snapshot(fresh=True).entries
    assert entries[SecretKey.of(HOST, "plc3")].held is not None
    assert entries[SecretKey.of(HOST, "plc4")].gone

"""What a CA revokes leaves every list at once, whoever uploaded the CRL and whatever became of it since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509

from sync.commands.revocation import clear_revoked, forget_older, revoked_certificates
from sync.findings import Code
from sync.fleet.configuration import Configuration
from sync.reconcile.status import State
from sync.reports.secrets import Verdicts
from tests.owners.plant import BOTH, DAY, ISSUER, TO_ISSUER, TO_TRUST, A, B, Plant, server
from tests.support import certs
from tests.support.certs import NOW
from tests.support.fleet import registration

CA = certs.ca()
LEAF, OTHER = certs.server(name="leaf", issuer=CA), certs.server(name="other", issuer=CA)


def crl(
    number: int | None, *revoked: certs.Built, issuer: certs.Built = CA, days: int = 0, **more: object
) -> certs.BuiltCrl:
    """The CRL of this number, so many days after the first."""
    update = NOW - 30 * DAY + timedelta(days=days or (number or 0))
    return certs.crl(issuer, number=number, revoked=revoked, this_update=update, next_update=NOW + 90 * DAY, **more)  # type: ignore[arg-type]


def plant_with_ca(**more: object) -> Plant:
    plant = Plant.of("edge", **more)  # type: ignore[arg-type]
    plant.put("root", CA, TO_ISSUER)
    plant.put("leaf", LEAF)
    plant.put("other", OTHER)
    return plant


def codes(plant: Plant, name: str, host: str = A) -> set[Code]:
    snapshot = plant.runtime.decisions.snapshot(fresh=True)
    verdicts = Verdicts(plant.runtime.desired_state(snapshot), now=plant.clock(), expiry_warning=30 * DAY)
    return {finding.code for finding in verdicts.of(plant.entry(name, host)).findings}


def test_12_ca_and_crl_on_the_issuer_list_and_the_leaf_on_the_trust_list() -> None:
    """The layout of Azure IoT Operations' documentation."""
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    assert plant.names() == {"other.der"}
    assert plant.names(definition=ISSUER) == {"root.der", "root.crl"}
    assert Code.REVOKED in codes(plant, "leaf")
    assert plant.questions() == ()


def test_8_a_crl_that_was_refused_and_one_between_replace_no_newer_one() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(10, LEAF), TO_ISSUER)
    ten = plant.files("edge", ISSUER)["root.crl"]
    plant.put("root-crl", crl(5), TO_ISSUER)
    plant.put("root-crl", crl(7), TO_ISSUER)
    assert plant.files("edge", ISSUER)["root.crl"] == ten
    assert plant.names() == {"other.der"}
    plant.put("root-crl", crl(11), TO_ISSUER)
    assert plant.names() == {"leaf.der", "other.der"}


def test_10_the_vault_of_a_crl_leaves_the_settings_and_what_it_revoked_stays_away() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER, B)
    assert plant.names() == {"other.der"}
    plant.reconfigure(Configuration(BOTH.vaults[:1], BOTH.lists))
    plant.clock.move(3 * DAY)
    plant.settle(3)
    assert plant.names() == {"other.der"}


def test_10_the_ceiling_of_a_crls_vault_is_narrowed() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER, B)
    plant.reconfigure(replace(BOTH, vaults=(BOTH.vaults[0], replace(BOTH.vaults[1], clusters="site=nowhere"))))
    plant.settle(3)
    assert plant.names() == {"other.der"}


def test_39_leaf_ca_and_crl_are_deleted_while_a_cluster_is_offline() -> None:
    plant = Plant.of("edge", "away")
    plant.put("root", CA, TO_ISSUER)
    plant.put("leaf", LEAF)
    away = plant.clusters["away"]
    from tests.owners.test_holds import _Away  # noqa: PLC0415

    plant.clusters["away"] = _Away()  # type: ignore[assignment]
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    plant.delete("root-crl")
    plant.delete("root")
    plant.delete("leaf")
    plant.clusters["away"] = away
    plant.clock.move(2 * DAY)
    plant.settle(3)
    assert plant.names("away") == set()


def test_30_a_cluster_registered_after_the_crl_did_its_work_and_was_deleted() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    plant.delete("root-crl")
    plant.register(registration("late", site="late"))
    plant.settle(3)
    assert plant.names("late") == {"other.der"}


def test_13_of_two_cas_of_one_name_only_what_the_crls_own_key_issued_leaves() -> None:
    """Another vault uploads a CA of the name with a CRL that lists the first one's serials."""
    plant = plant_with_ca()
    twin = certs.ca(key_name="another")
    plant.put("twin", twin, TO_ISSUER, B)
    plant.put("twin-crl", crl(1, LEAF, OTHER, issuer=twin), TO_ISSUER, B)
    assert plant.names() == {"leaf.der", "other.der"}
    snapshot = plant.runtime.decisions.snapshot(fresh=True)
    assert snapshot.revocations.of_another_key(plant.entry("leaf").candidates[0].items[0].item)  # type: ignore[arg-type]


def test_14_a_crl_whose_ca_was_revoked_proves_nothing_backdated_or_not() -> None:
    root = certs.ca(name="Top")
    sub = certs.ca(name="Sub", issuer=root)
    leaf = certs.server(name="subleaf", issuer=sub)
    plant = Plant.of()
    plant.put("top", root, TO_ISSUER)
    plant.put("sub", sub, TO_ISSUER)
    plant.put("subleaf", leaf)
    plant.put("top-crl", certs.crl(root, revoked=[sub]), TO_ISSUER)
    assert "sub.der" not in plant.names(definition=ISSUER)
    plant.put("sub-crl", certs.crl(sub, revoked=[leaf], this_update=NOW - 200 * DAY), TO_ISSUER)
    assert plant.names() == {"subleaf.der"}


def test_14_a_certificate_hold_is_set_and_lifted_and_the_older_crl_uploaded_again() -> None:
    plant = plant_with_ca()
    hold = [(x509.CRLReason(x509.ReasonFlags.certificate_hold), False)]
    held = crl(1, LEAF, entry_extensions=hold)
    plant.put("root-crl", held, TO_ISSUER)
    assert plant.names() == {"other.der"}
    plant.put("root-crl", crl(2), TO_ISSUER)
    assert plant.names() == {"leaf.der", "other.der"}
    plant.put("root-crl", held, TO_ISSUER)
    assert plant.names() == {"leaf.der", "other.der"}


def test_14_a_crl_whose_file_name_is_taken_revokes_all_the_same() -> None:
    plant = plant_with_ca()
    plant.put("first", CA, {**TO_ISSUER, "trustcast-file": "root.crl"})
    plant.put("root-crl", crl(1, LEAF), {**TO_ISSUER, "trustcast-file": "root.der"})
    assert plant.names() == {"other.der"}


def test_14_120_copies_of_one_crl_revoke_once() -> None:
    plant = plant_with_ca()
    for number in range(120):
        plant.upload(f"copy{number:03}", crl(1, LEAF).pem, TO_ISSUER)
    plant.settle(3)
    assert plant.names() == {"other.der"}
    assert len(plant.runtime.decisions.snapshot(fresh=True).authorities) == 1


def test_14_the_ecdsa_twin_of_a_revoked_certificate_leaves_too() -> None:
    plant = plant_with_ca()
    plant.put("twin", certs.twin(LEAF))
    assert "twin.der" in plant.names()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    assert plant.names() == {"other.der"}


def test_9_the_version_replaced_by_a_revoked_one_returns_to_no_list() -> None:
    """A secret on both lists: v1 a CA, v2 a leaf that is revoked."""
    plant = plant_with_ca()
    both = {"trustcast-lists": "trust,issuer", "trustcast-clusters": "*"}
    old = certs.ca(name="Old")
    plant.put("mixed", old, both)
    assert "mixed.der" in plant.names()
    v2 = certs.server(name="v2", issuer=CA)
    plant.put("mixed", v2, both)
    assert plant.files("edge")["mixed.der"] == v2.der
    assert plant.files("edge", ISSUER)["mixed.der"] == old.der
    plant.put("root-crl", crl(1, v2), TO_ISSUER)
    plant.settle(4)
    assert "mixed.der" not in plant.names()
    assert plant.files("edge", ISSUER)["mixed.der"] == old.der


def test_23_a_revoked_version_is_gone_and_the_one_before_does_not_come_back() -> None:
    plant = plant_with_ca()
    plant.put("leaf", certs.server(name="leaf2", issuer=CA))
    v2 = certs.server(name="leaf2", issuer=CA)
    plant.put("root-crl", crl(1, v2), TO_ISSUER)
    assert plant.names() == {"other.der"}
    plant.settle(5)
    plant.put("unrelated", server("unrelated"))
    plant.settle(5)
    assert plant.names() == {"other.der", "unrelated.der"}


def test_a_newer_version_that_is_revoked_before_it_came_leaves_the_one_before() -> None:
    plant = plant_with_ca()
    v2 = certs.server(name="leaf2", issuer=CA)
    plant.put("root-crl", crl(1, v2), TO_ISSUER)
    plant.put("leaf", v2)
    assert plant.files("edge")["leaf.der"] == LEAF.der
    plant.register(registration("late", site="late"))
    plant.settle(3)
    assert plant.names("late") == {"other.der"}


def test_19_anothers_key_with_our_bytes_stays_theirs_and_leaves_once_it_is_revoked() -> None:
    plant = Plant.of()
    edit = plant.clusters["edge"].state.edit
    edit("azure-iot-operations", "trust-list", {"leaf.der": LEAF.der, "plc.der": server("plc").der})
    plant.put("root", CA, TO_ISSUER)
    plant.put("leaf", LEAF)
    plant.put("plc", server("plc"))
    plant.delete("plc")
    assert plant.files("edge")["plc.der"] == server("plc").der
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    assert plant.names() == {"plc.der"}


def test_39_a_ca_whose_numbers_begin_anew_and_an_old_crl_of_it_uploaded_again() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(100, LEAF, days=1), TO_ISSUER)
    assert plant.names() == {"other.der"}
    (authority,) = plant.runtime.decisions.snapshot(fresh=True).authorities.values()
    forget_older(plant.runtime, authority.key, NOW - 20 * DAY)
    plant.put("root-crl", crl(1, OTHER, days=20), TO_ISSUER)
    plant.settle(3)
    assert plant.names() == {"leaf.der"}
    plant.put("old-crl", crl(100, LEAF, days=1), TO_ISSUER)
    plant.settle(3)
    assert plant.names() == {"leaf.der"}


def test_39_a_revoked_certificate_expires_and_the_next_crl_omits_it() -> None:
    short = certs.server(name="short", issuer=CA, not_after=NOW + 2 * DAY)
    plant = plant_with_ca()
    plant.put("short", short)
    plant.put("root-crl", certs.crl(CA, number=1, revoked=[short]), TO_ISSUER)
    assert "short.der" not in plant.names()
    plant.clock.move(5 * DAY)
    later = certs.crl(CA, number=2, this_update=NOW + 4 * DAY, next_update=NOW + 90 * DAY)
    plant.put("root-crl", later, TO_ISSUER)
    plant.settle(3)
    assert "short.der" not in plant.names()


def test_a_certificate_is_cleared_by_its_date_and_another_date_revokes_anew() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF, revoked_at=NOW - 60 * DAY), TO_ISSUER)
    assert plant.names() == {"other.der"}
    clear_revoked(plant.runtime, LEAF.sha256)
    plant.settle()
    assert plant.names() == {"leaf.der", "other.der"}
    (shown,) = revoked_certificates(plant.runtime.decisions.snapshot(fresh=True))
    assert shown.cleared
    plant.put("root-crl", crl(2, LEAF, revoked_at=NOW - 50 * DAY), TO_ISSUER)
    assert plant.names() == {"other.der"}


def test_32_a_hold_in_a_complete_crl_beside_a_newer_one_for_ca_certificates_only() -> None:
    plant = plant_with_ca()
    plant.put("root-crl", crl(1, LEAF), TO_ISSUER)
    only_cas = [certs.point(only_contains_ca_certs=True)]
    plant.put("cas-crl", crl(2, extensions=only_cas), TO_ISSUER)
    plant.settle(2)
    assert plant.names() == {"other.der"}


def test_24_a_renewal_and_its_crl_are_uploaded_a_day_early() -> None:
    plant = plant_with_ca()
    begins = plant.clock() + DAY
    early = certs.server(name="leaf2", issuer=CA, not_before=begins)
    plant.put("leaf", early)
    assert plant.files("edge")["leaf.der"] == LEAF.der
    plant.clock.move(DAY + timedelta(hours=1))
    plant.settle(3)
    assert plant.files("edge")["leaf.der"] == early.der


def test_ca_and_leaf_and_crl_in_every_order_come_to_the_same() -> None:
    import itertools  # noqa: PLC0415

    ends = set()
    built: dict[str, certs.Built | certs.BuiltCrl] = {"root": CA, "leaf": LEAF, "root-crl": crl(1, LEAF)}
    for order in itertools.permutations(("root", "leaf", "root-crl")):
        plant = Plant.of()
        for name in order:
            plant.put(name, built[name], TO_TRUST if name == "leaf" else TO_ISSUER)
        plant.settle(2)
        ends.add((frozenset(plant.names()), frozenset(plant.names(definition=ISSUER)), plant.status("edge").state))
    assert ends == {(frozenset(), frozenset({"root.der", "root.crl"}), State.IN_SYNC)}

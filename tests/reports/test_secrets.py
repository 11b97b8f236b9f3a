"""What is said of each secret; and that every code of the vocabulary is raised by something that happens."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from local.keyvault.secrets import Properties
from sync.catalogue.entry import Entry, StoredItem
from sync.catalogue.rows import SecretRow
from sync.catalogue.secret import SecretKey
from sync.certificates.items import Kind
from sync.commands.revocation import clear_revoked
from sync.desired.capacity import OBJECT_LIMIT
from sync.findings import Code, Role, Severity
from sync.fleet.clusters import ListOverride
from sync.fleet.configuration import Configuration
from sync.fleet.lists import Delivery, ListDefinition
from sync.fleet.policy import Policy
from sync.fleet.vaults import WatchedVault
from sync.ports.decisions import Write
from sync.reports.secrets import WORST_FIRST, SecretState, secret_report
from tests.support import certs
from tests.support.certs import DAY, NOW, YEAR
from tests.support.fleet import HOST, TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.reports.secrets import SecretReport


NAMESPACE = TRUST.namespace
ISSUER = ListDefinition("issuer", Role.ISSUER, NAMESPACE, "issuer-list")
LENIENT = ListDefinition("lenient", Role.TRUST, NAMESPACE, "lenient", policy=Policy(accept=frozenset({Code.EXPIRED})))
STRICT = ListDefinition("strict", Role.TRUST, NAMESPACE, "strict", policy=Policy(reject=frozenset({Code.DUPLICATE})))
DRIVEN = ListDefinition("driven", Role.TRUST, NAMESPACE, "driven", Delivery.SECRETSYNC)
LISTS = (TRUST, ISSUER, LENIENT, STRICT, DRIVEN)
WATCHED = WatchedVault(f"https://{HOST}")
EVERYWHERE = {"trustcast-clusters": "*"}

ROOT, SERVER = certs.ca(), certs.server()
OTHER_ROOT = certs.ca(key_name="another key")
KEY = SecretKey(HOST, "it")


def tags(lists: str, **others: str) -> dict[str, str]:
    return {"trustcast-lists": lists, **EVERYWHERE, **{f"trustcast-{k}": v for k, v in others.items()}}


class Scene(Fleet):
    """A fleet with one cluster, `edge`, and words for what happens to its vault."""

    def __init__(self, **vault: Any) -> None:
        super().__init__(Configuration((replace(WATCHED, **vault),), LISTS))
        self.register(registration("edge", site="hamburg"))

    def put(self, name: str, value: str, lists: str = "trust", **others: str) -> str:
        return self.upload(name, value, tags(lists, **others))

    def set_to(self, value: str, given: dict[str, str] | None = None, content_type: str | None = None) -> str:
        return self.vault.set("it", value, tags=tags("trust") if given is None else given, content_type=content_type)

    def then(self, *, days: float = 0) -> None:
        """Time passes, and everything is looked at."""
        self.work_off()
        self.sweep(timedelta(days=days, minutes=2))

    def verdict(self, name: str = "it") -> SecretReport:
        self.work_off()
        self.sweep(timedelta(minutes=2))
        return said_of(self, name)


def said_of(fleet: Fleet, name: str = "it") -> SecretReport:
    snapshot = fleet.runtime.decisions.snapshot(fresh=True)
    entry = snapshot.entries[SecretKey(HOST, name)]
    return secret_report(
        entry, fleet.runtime.desired_state(snapshot), now=fleet.clock(), expiry_warning=timedelta(days=30)
    )


def case_managed(scene: Scene) -> None:
    scene.vault.secrets.set("it", SERVER.pem, Properties(tags=tags("trust")), key_id="https://kv/keys/it/1")


def case_unreadable(scene: Scene) -> None:
    refuse_values(scene)
    scene.put("it", SERVER.pem)


def refuse_values(scene: Scene) -> None:
    scene.vault.refuses_values = True


def case_crl_rollback(scene: Scene) -> None:
    scene.put("root", ROOT.pem, "issuer")
    scene.put("it", certs.crl(ROOT, number=2).pem, "issuer")
    scene.then()
    scene.put("it", certs.crl(ROOT, number=1).pem, "issuer")


def case_revoked(scene: Scene) -> None:
    leaf = certs.server(issuer=ROOT)
    scene.put("root", ROOT.pem, "issuer,trust")
    scene.put("it", leaf.pem)
    scene.put("crl", certs.crl(ROOT, revoked=[leaf]).pem, "trust")


def case_crl_of_another_key(scene: Scene) -> None:
    scene.put("root", ROOT.pem, "issuer")
    scene.put("other-root", OTHER_ROOT.pem, "issuer")
    scene.put("it", certs.server(issuer=ROOT, serial=77).pem)
    scene.put("crl", certs.crl(OTHER_ROOT, revoked=[77]).pem, "issuer")


def case_issuer_revoked(scene: Scene) -> None:
    line = certs.ca(name="Line 3 CA", issuer=ROOT)
    scene.put("root", ROOT.pem, "issuer")
    scene.put("line", line.pem, "issuer")
    scene.put("it", certs.server(issuer=line).pem)
    scene.put("crl", certs.crl(ROOT, revoked=[line]).pem, "issuer")


def case_file_name_taken(scene: Scene) -> None:
    scene.put("first", SERVER.pem, file="a.der")
    scene.then()
    scene.put("it", certs.server(name="b").pem, file="a.der")


def case_list_too_large(scene: Scene) -> None:
    padding = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(18_000)), False)
    most = OBJECT_LIMIT // len(certs.server(name="big00", extensions=[padding]).der)
    for n in range(most):
        big = certs.server(name=f"big{n:02}", extensions=[padding])
        scene.put(f"big{n}", base64.b64encode(big.der).decode())
    scene.then(days=1)
    scene.put("it", base64.b64encode(certs.server(name="last", extensions=[padding]).der).decode())


def case_tags_dropped(scene: Scene) -> None:
    scene.set_to(SERVER.pem)
    scene.then()
    scene.vault.set("it", certs.server(key_name="renewed").pem)


def case_head_disabled(scene: Scene) -> None:
    scene.set_to(SERVER.pem)
    scene.then()
    scene.vault.set("it", certs.server(key_name="renewed").pem, tags=tags("trust"), enabled=False)


def case_tampered(scene: Scene) -> None:
    version = scene.put("it", SERVER.pem)
    scene.then()
    row = SecretRow(KEY)
    stored = scene.decisions.row(row)
    assert stored is not None
    assert isinstance(stored.value, Entry)
    other = certs.server(name="planted").der
    forged = replace(stored.value.candidates[0], items=(StoredItem(Kind.CERTIFICATE, other),))
    entry = replace(stored.value, candidates=(forged,))
    scene.decisions.commit(
        [Write(row, entry, stored.unchanged)], head=scene.runtime.next_head(scene.decisions.head().value)
    )
    assert forged.version == version
    scene.then(days=1.1)


def put(value: str, lists: str = "trust", **others: str) -> Callable[..., Any]:
    return lambda scene: scene.put("it", value, lists, **others)


def typed(value: str, content_type: str, given: dict[str, str] | None = None) -> Callable[..., Any]:
    return lambda scene: scene.set_to(value, given, content_type)


def alongside(name: str, value: str, case: Callable[..., Any], lists: str = "trust") -> Callable[..., Any]:
    def both(scene: Scene) -> None:
        scene.put(name, value, lists)
        case(scene)

    return both


CASES = {
    Code.NOT_A_CERTIFICATE: put("anything else"),
    Code.KEY_VAULT_CERTIFICATE: case_managed,
    Code.PRIVATE_KEY: put(SERVER.key_pem + SERVER.pem),
    Code.UNREADABLE: case_unreadable,
    Code.EXPIRED: put(certs.server(not_after=NOW - DAY).pem),
    Code.WEAK_KEY: put(certs.server(key="rsa-1024").pem),
    Code.WEAK_SIGNATURE: put(certs.server(issuer=certs.ca(key="rsa-2048"), signature_hash="sha1").pem),
    Code.NOT_A_CA: put(SERVER.pem, "issuer"),
    Code.CA_KEY_USAGE: put(certs.ca(key_usage=("crl_sign",)).pem, "issuer"),
    Code.CRL_UNSUPPORTED: put(certs.crl(ROOT, extensions=[(x509.DeltaCRLIndicator(1), True)]).pem, "issuer"),
    Code.CRL_PARTIAL: put(certs.crl(ROOT, extensions=[certs.point(only_contains_user_certs=True)]).pem, "issuer"),
    Code.CRL_WITHOUT_ISSUER: put(certs.crl(ROOT).pem, "issuer"),
    Code.CRL_SIGNATURE: alongside("root", OTHER_ROOT.pem, put(certs.crl(ROOT).pem, "issuer"), "issuer"),
    Code.CRL_ROLLBACK: case_crl_rollback,
    Code.REVOKED: case_revoked,
    Code.FILE_NAME_TAKEN: case_file_name_taken,
    Code.BAD_FILE_NAME: put(SERVER.pem, file="no such name"),
    Code.TOO_MANY_CERTIFICATES: put(SERVER.pem + ROOT.pem, "driven"),
    Code.ENCODING_MISMATCH: put(SERVER.pem, "driven", file="it.der"),
    Code.LIST_TOO_LARGE: case_list_too_large,
    Code.UNKNOWN_LIST: put(SERVER.pem, "nowhere"),
    Code.BAD_SELECTOR: lambda scene: scene.set_to(SERVER.pem, tags("trust") | {"trustcast-clusters": "a=b=c"}),
    Code.NO_CLUSTER_SELECTOR: lambda scene: scene.set_to(SERVER.pem, {"trustcast-lists": "trust"}),
    Code.BEYOND_CEILING: put(ROOT.pem, "issuer"),
    Code.BAD_ACCEPT: put(SERVER.pem, accept="everything"),
    Code.EXPIRES_SOON: put(certs.server(not_after=NOW + 7 * DAY).pem),
    Code.NOT_YET_VALID: put(certs.server(not_before=NOW + 7 * DAY).pem),
    Code.CRL_STALE: alongside(
        "root", ROOT.pem, put(certs.crl(ROOT, this_update=NOW - YEAR, next_update=NOW - DAY).pem, "issuer"), "issuer"
    ),
    Code.CRL_DISTRIBUTION_POINT: alongside(
        "root", ROOT.pem, put(certs.crl(ROOT, extensions=[certs.named_point()]).pem, "issuer"), "issuer"
    ),
    Code.CRL_OF_ANOTHER_KEY: case_crl_of_another_key,
    Code.ISSUER_REVOKED: case_issuer_revoked,
    Code.CA_IN_TRUST_LIST: put(ROOT.pem),
    Code.NO_APPLICATION_URI: put(certs.server(application_uri=None).pem),
    Code.ISSUER_MISSING: put(certs.server(issuer=ROOT).pem),
    Code.DUPLICATE: alongside("twin", SERVER.pem, put(SERVER.der.hex())),
    Code.QUICKSTART_CA: put(
        certs.ca(name="Azure IoT Operations Quickstart Root CA - Not for Production").pem, "issuer"
    ),
    Code.CONTENT_TYPE_MISMATCH: typed(SERVER.pem, "application/pkix-crl"),
    Code.ENCODING_TAG_MISMATCH: lambda scene: scene.set_to(SERVER.pem, tags("trust") | {"file-encoding": "hex"}),
    Code.TAGS_DROPPED: case_tags_dropped,
    Code.HEAD_DISABLED: case_head_disabled,
    Code.NO_CLUSTER_MATCHES: lambda scene: scene.set_to(SERVER.pem, tags("trust") | {"trustcast-clusters": "site=oz"}),
    Code.UNASSIGNED: typed(SERVER.pem, "application/x-pem-file", {}),
    Code.ACCEPTED_RISK: put(certs.server(not_after=NOW - DAY).pem, "lenient", accept="expired"),
    Code.CATALOGUE_TAMPERED: case_tampered,
}

NARROW = {Code.BEYOND_CEILING: {"lists": ("trust",)}}

STANDINGS = {
    Code.CRL_WITHOUT_ISSUER: SecretState.WAITS,
    Code.LIST_TOO_LARGE: SecretState.WAITS,
    Code.NOT_YET_VALID: SecretState.WAITS,
    Code.NO_CLUSTER_MATCHES: SecretState.WAITS,
    Code.CRL_ROLLBACK: SecretState.LAST_STAYS,
    Code.UNASSIGNED: SecretState.UNASSIGNED,
}
"""How the secret of a case stands, where it is neither rejected (a rejecting code) nor in force (a warning)."""


def test_every_code_has_a_case_that_raises_it() -> None:
    assert set(CASES) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_each_code_is_raised_by_what_happens_and_tells_how_the_secret_stands(code: Code) -> None:
    scene = Scene(**NARROW.get(code, {}))
    CASES[code](scene)
    said = scene.verdict()
    assert code in {finding.code for finding in said.findings}
    usual = SecretState.REJECTED if code.severity is Severity.REJECT else SecretState.IN_FORCE
    assert said.state is STANDINGS.get(code, usual)


@pytest.mark.parametrize("code", [Code.NO_CLUSTER_MATCHES, *(c for c in Code if c.severity is Severity.REJECT)])
def test_law3_what_is_rejected_or_waits_is_on_no_cluster(code: Code) -> None:
    scene = Scene(**NARROW.get(code, {}))
    CASES[code](scene)
    if scene.verdict().state is not SecretState.LAST_STAYS:
        files = {name for definition in LISTS for name in scene.files("edge", definition)}
        assert not {name for name in files if name.startswith("it")}


def test_rejecting_findings_come_first_and_none_twice() -> None:
    scene = Scene()
    scene.put("it", certs.server(key="rsa-1024", application_uri=None, issuer=ROOT).pem, "trust,strict")
    said = scene.verdict()
    assert [finding.code for finding in said.findings] == [Code.WEAK_KEY, Code.NO_APPLICATION_URI]


def test_law3_the_last_good_version_stays_and_its_secret_says_so() -> None:
    scene = Scene()
    scene.put("it", SERVER.pem)
    scene.then()
    scene.put("it", certs.server(key="rsa-1024").pem)
    said = scene.verdict()
    assert said.state is SecretState.LAST_STAYS
    assert [finding.code for finding in said.findings] == [Code.WEAK_KEY]
    assert scene.files("edge") == {"it.der": SERVER.der}


def test_what_is_deleted_disabled_unassigned_or_held_is_called_so() -> None:
    scene = Scene()
    versions = {name: scene.put(name, certs.server(name=name).pem) for name in ("gone", "off", "none", "stays")}
    scene.then()
    changes = (
        lambda: scene.vault.delete("gone"),
        lambda: scene.vault.set_enabled("off", versions["off"], False),
        lambda: scene.vault.update("none", versions["none"], tags={"trustcast-lists": "none"}),
    )
    for change in changes:
        change()
        scene.sweep(timedelta(minutes=2))
    told = {name: said_of(scene, name).state for name in versions}
    assert told == {
        "gone": SecretState.DELETED,
        "off": SecretState.DISABLED,
        "none": SecretState.UNASSIGNED,
        "stays": SecretState.IN_FORCE,
    }


def test_law4_an_assignment_that_waits_for_a_person_is_called_held() -> None:
    scene = Scene()
    scene.register(*(registration(f"plant-{n}", site="lyon") for n in range(4)))
    scene.put("it", SERVER.pem)
    scene.then()
    scene.set_to(SERVER.pem, tags("trust") | {"trustcast-clusters": "site=hamburg"})
    held = scene.verdict()
    assert (held.state, held.lists) == (SecretState.HELD, {"trust": SecretState.IN_FORCE})
    assert "it.der" in scene.files("plant-1")


def test_law4_a_deleted_secret_is_called_so_though_clusters_hold_its_files() -> None:
    scene = Scene()
    scene.put("it", "".join(certs.server(name=f"line{n}").pem for n in range(5)))
    scene.then()
    scene.vault.delete("it")
    assert (scene.verdict().state, scene.verdict().lists) == (SecretState.DELETED, {})
    assert len(scene.files("edge")) == 5


# --- List by list ----------------------------------------------------------------------------------------


def test_a_secret_that_one_list_refuses_is_in_force_on_the_other_all_the_same() -> None:
    scene = Scene()
    scene.put("it", SERVER.pem, "issuer,trust")
    said = scene.verdict()
    assert said.lists == {"issuer": SecretState.REJECTED, "trust": SecretState.IN_FORCE}
    assert (said.state, said.differs) == (SecretState.REJECTED, True)
    assert Code.NOT_A_CA in {finding.code for finding in said.findings}
    assert scene.files("edge") == {"it.der": SERVER.der}


def test_a_secret_that_stands_alike_on_all_lists_has_one_state() -> None:
    scene = Scene()
    scene.put("it", ROOT.pem, "issuer,trust")
    said = scene.verdict()
    assert said.lists == {"issuer": SecretState.IN_FORCE, "trust": SecretState.IN_FORCE}
    assert (said.state, said.differs) == (SecretState.IN_FORCE, False)


def test_law3_a_newer_version_that_one_list_refuses_leaves_the_last_one_there_alone() -> None:
    scene = Scene()
    scene.put("it", ROOT.pem, "issuer,trust")
    scene.then()
    scene.put("it", SERVER.pem, "issuer,trust")
    said = scene.verdict()
    assert said.lists == {"issuer": SecretState.LAST_STAYS, "trust": SecretState.IN_FORCE}
    assert said.state is SecretState.LAST_STAYS
    assert (scene.files("edge", ISSUER), scene.files("edge")) == ({"it.der": ROOT.der}, {"it.der": SERVER.der})


def test_a_crl_may_wait_on_one_list_and_be_in_force_on_another() -> None:
    scene = Scene()
    scene.put("root", ROOT.pem, "issuer")
    scene.put("it", certs.crl(ROOT).pem, "issuer,trust")
    said = scene.verdict()
    assert said.lists == {"issuer": SecretState.IN_FORCE, "trust": SecretState.WAITS}
    assert said.state is SecretState.WAITS


def test_a_list_that_no_cluster_has_says_nothing_unless_it_refuses() -> None:
    """A vault's default may name more lists than a cluster has."""
    scene = Scene()
    scene.register(replace(registration("edge", site="hamburg"), lists=(ListOverride("trust"),)))
    scene.put("it", ROOT.pem, "issuer,trust")
    scene.put("server", SERVER.pem, "issuer,trust")
    assert scene.verdict().lists == {"trust": SecretState.IN_FORCE}
    assert said_of(scene, "server").lists == {"issuer": SecretState.REJECTED, "trust": SecretState.IN_FORCE}


def test_what_no_cluster_gets_waits_on_every_list() -> None:
    scene = Scene()
    scene.set_to(ROOT.pem, tags("issuer,trust") | {"trustcast-clusters": "site=oz"})
    assert scene.verdict().lists == {"issuer": SecretState.WAITS, "trust": SecretState.WAITS}


def test_the_whole_is_as_bad_as_the_worst_list() -> None:
    assert set(WORST_FIRST) == set(SecretState) - {SecretState.HELD, SecretState.DELETED, SecretState.UNASSIGNED}
    assert WORST_FIRST[-1] is SecretState.IN_FORCE


def test_a_newer_disabled_version_that_was_never_read_leaves_the_older_one_in_force() -> None:
    scene = Scene()
    case_head_disabled(scene)
    assert scene.verdict().lists == {"trust": SecretState.IN_FORCE}


# --- What CAs revoked ------------------------------------------------------------------------------------


def test_a_cleared_revocation_is_shown_as_accepted_risk() -> None:
    scene = Scene()
    leaf = certs.server(name="leaf", issuer=ROOT)
    scene.put("root", ROOT.pem, "issuer")
    scene.put("it", leaf.pem)
    scene.put("crl", certs.crl(ROOT, revoked=[leaf], revoked_at=NOW - DAY).pem, "issuer")
    assert scene.verdict().state is SecretState.REJECTED
    clear_revoked(scene.runtime, leaf.sha256)
    said = scene.verdict()
    assert said.state is SecretState.IN_FORCE
    assert [(f.code, f.detail) for f in said.findings] == [
        (Code.ACCEPTED_RISK, "O=Example,CN=leaf was revoked on 2026-05-31 and cleared")
    ]
    assert "leaf" in scene.files("edge")["it.der"].decode("latin-1")


def test_law3_an_older_version_behind_a_revoked_one_stays_and_says_so() -> None:
    scene = Scene()
    old, new = (certs.server(name="leaf", issuer=ROOT, key_name=name) for name in ("old", "new"))
    scene.put("root", ROOT.pem, "issuer")
    scene.put("it", old.pem)
    scene.then()
    scene.put("crl", certs.crl(ROOT, revoked=[new]).pem, "issuer")
    scene.then()
    scene.put("it", new.pem)
    said = scene.verdict()
    assert said.state is SecretState.LAST_STAYS
    assert Code.REVOKED in {finding.code for finding in said.findings}
    assert scene.files("edge") == {"it.der": old.der}


def test_an_issuer_that_is_revoked_is_said_on_what_it_issued_wherever_it_is_assigned() -> None:
    scene = Scene()
    line = certs.ca(name="Line 3 CA", issuer=ROOT)
    scene.put("root", ROOT.pem, "issuer")
    scene.upload("line", line.pem, tags("issuer") | {"trustcast-clusters": "site=oz"})
    scene.put("it", certs.server(issuer=line).pem)
    assert Code.ISSUER_REVOKED not in {finding.code for finding in scene.verdict().findings}
    scene.put("crl", certs.crl(ROOT, revoked=[line]).pem, "issuer")
    said = scene.verdict()
    assert said.state is SecretState.IN_FORCE
    assert [f.code for f in said.findings] == [Code.ISSUER_MISSING, Code.ISSUER_REVOKED]


def test_what_is_not_in_force_is_not_warned_of() -> None:
    scene = Scene()
    case_crl_of_another_key(scene)
    weak = certs.server(issuer=ROOT, serial=77, key="rsa-1024")
    scene.upload("weak", weak.pem, tags("trust"))
    assert Code.CRL_OF_ANOTHER_KEY in {finding.code for finding in scene.verdict().findings}
    assert Code.CRL_OF_ANOTHER_KEY not in {finding.code for finding in said_of(scene, "weak").findings}


def test_law4_a_value_that_may_not_be_read_takes_nothing_away() -> None:
    scene = Scene()
    scene.put("it", SERVER.pem)
    scene.then()
    renewed = certs.server(key_name="renewed")
    refuse_values(scene)
    scene.put("it", renewed.pem)
    assert Code.UNREADABLE in {finding.code for finding in scene.verdict().findings}
    assert scene.files("edge") == {"it.der": SERVER.der}
    scene.vault.refuses_values = False
    assert scene.verdict().state is SecretState.IN_FORCE
    assert scene.files("edge") == {"it.der": renewed.der}


def test_an_issuer_counts_only_on_a_list_of_the_same_cluster() -> None:
    scene = Scene()
    scene.register(registration("far", site="oz"))
    leaf = certs.server(issuer=ROOT)
    scene.set_to(leaf.pem, tags("trust") | {"trustcast-clusters": "site=hamburg"})
    scene.upload("root", ROOT.pem, tags("issuer") | {"trustcast-clusters": "site=oz"})
    assert [finding.code for finding in scene.verdict().findings] == [Code.ISSUER_MISSING]
    scene.upload("root", ROOT.pem, tags("issuer"))
    assert scene.verdict().findings == ()


def test_the_same_certificate_on_two_lists_of_other_clusters_is_no_duplicate() -> None:
    scene = Scene()
    scene.register(registration("far", site="oz"))
    scene.set_to(SERVER.pem, tags("trust") | {"trustcast-clusters": "site=hamburg"})
    scene.upload("twin", SERVER.pem, tags("trust") | {"trustcast-clusters": "site=oz"})
    assert scene.verdict().findings == ()


def test_a_delivery_that_cannot_convert_takes_the_encoding_that_the_file_name_says() -> None:
    scene = Scene()
    scene.put("it", SERVER.der.hex(), "driven", file="it.der")
    scene.put("text", certs.server(name="text").pem, "driven", file="text.crt")
    assert scene.verdict().state is SecretState.IN_FORCE
    assert said_of(scene, "text").state is SecretState.IN_FORCE

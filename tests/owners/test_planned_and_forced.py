"""Two identical fleets, one pushed by plan alone and one by force after every act: their lists must be the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sync.catalogue.snapshot import Stamp
from sync.commands import removals
from sync.commands.clusters import unregister
from sync.commands.orphans import forget_vault, orphans, remove_orphans
from sync.commands.revocation import clear_revoked, forget_older
from sync.errors import TrustcastError
from sync.findings import Code
from sync.fleet.clusters import ListOverride
from sync.fleet.configuration import Configuration
from sync.fleet.policy import Policy
from sync.reconcile.intervals import Intervals
from sync.steps.push import push_cluster
from tests.owners.plant import BOTH, DAY, HOUR, ISSUER, TO_ISSUER, TRUST, A, B, Plant, server
from tests.owners.test_revoked import CA, LEAF, OTHER, crl
from tests.support import certs
from tests.support.certs import NOW
from tests.support.fleet import registration

WHERE = ("azure-iot-operations", "trust-list")
HOSTS = st.sampled_from([A, B])
NAMES = st.sampled_from(["s00", "s01", "s02", "s03", "s04", "leaf", "other", "root", "root-crl"])
CLUSTERS = st.sampled_from(["one", "two"])
V2, SUB = certs.server(name="leaf2", issuer=CA), certs.ca(name="Sub", issuer=CA)
VALUES = st.sampled_from(
    [
        CA.pem,
        LEAF.pem,
        OTHER.pem,
        V2.pem,
        SUB.pem,
        server("plc").pem,
        certs.server(name="bare", application_uri=None).pem,
        server("x").pem + server("y").pem,
        LEAF.pem + OTHER.pem,
        certs.server(name="old", not_after=NOW - DAY).pem,
        crl(1).pem,
        crl(2, LEAF).pem,
        crl(3, LEAF, V2).pem,
        crl(4).pem,
        crl(5, SUB).pem,
        crl(None, OTHER, days=6).pem,
        crl(1, OTHER, issuer=SUB).pem,
        "junk",
    ]
)
TAGS = st.builds(
    lambda lists, clusters, file: {
        "trustcast-lists": lists,
        **({"trustcast-clusters": clusters} if clusters else {}),
        **({"trustcast-file": file} if file else {}),
    },
    st.sampled_from(["trust", "trust", "issuer", "trust,issuer", "trust,issuer", "none", "wrong"]),
    st.sampled_from(["*", "*", "*", "*", "site=one", "site=two", ""]),
    st.sampled_from(["", "", "", "", "same.der", "s00.der"]),
)
MOVED = replace(TRUST, object="another")
RENAMED = replace(TRUST, name="trusted")
STRICT = replace(TRUST, policy=Policy(reject=frozenset({Code.NO_APPLICATION_URI})))
SETTINGS = st.sampled_from(
    [
        BOTH,
        BOTH,
        BOTH,
        Configuration(BOTH.vaults[:1], BOTH.lists),
        Configuration(BOTH.vaults[1:], BOTH.lists),
        replace(BOTH, vaults=(replace(BOTH.vaults[0], clusters="site=one"), BOTH.vaults[1])),
        replace(BOTH, vaults=(replace(BOTH.vaults[0], lists=("issuer",)), BOTH.vaults[1])),
        replace(BOTH, lists=(MOVED, ISSUER)),
        replace(BOTH, lists=(RENAMED, ISSUER)),
        replace(BOTH, lists=(STRICT, ISSUER)),
        replace(BOTH, lists=(ISSUER,)),
    ]
)
LISTS = (TRUST, MOVED, ISSUER)


class PlannedAndForced(RuleBasedStateMachine):
    """What people do, done to both fleets."""

    def __init__(self) -> None:
        super().__init__()
        self.planned, self.forced = (Plant.of("one", "two") for _ in range(2))
        for plant in self.both:
            plant.intervals = Intervals(verify_interval=timedelta(days=3650))
            plant.start()
            for name in plant.clusters:
                push_cluster(plant.runtime, name)
            plant.fill(6)
            plant.fill(5, B, tags={"trustcast-lists": "trust", "trustcast-clusters": "site=two"})
            plant.put("root", CA, TO_ISSUER)
            plant.put("leaf", LEAF)
            plant.put("other", OTHER, host=B)
            plant.put("root-crl", crl(1), TO_ISSUER)
        self.settle()

    @property
    def both(self) -> tuple[Plant, Plant]:
        return self.planned, self.forced

    def settle(self) -> None:
        for plant in self.both:
            plant.settle(3)
        for _ in range(2):
            for name in self.forced.clusters:
                push_cluster(self.forced.runtime, name)
            self.forced.work_off()
        now = max(plant.clock.now for plant in self.both) + timedelta(seconds=3)
        for plant in self.both:
            plant.clock.now = now

    @rule(name=NAMES, value=VALUES, tags=TAGS, host=HOSTS)
    def put(self, name: str, value: str, tags: dict[str, str], host: str) -> None:
        for plant in self.both:
            with suppress(Exception):
                plant.upload(name, value, tags, host=host)
        self.settle()

    @rule(name=NAMES, tags=TAGS, host=HOSTS, behind=st.integers(0, 1))
    def tag(self, name: str, tags: dict[str, str], host: str, behind: int) -> None:
        for plant in self.both:
            versions = plant.vaults[host].versions(name).items
            if len(versions) > behind:
                plant.vaults[host].update(name, versions[behind].version, tags=tags)
        self.settle()

    @rule(name=NAMES, host=HOSTS, behind=st.integers(0, 1), enabled=st.booleans())
    def enable(self, name: str, host: str, behind: int, enabled: bool) -> None:
        for plant in self.both:
            versions = plant.vaults[host].versions(name).items
            if len(versions) > behind:
                plant.vaults[host].set_enabled(name, versions[behind].version, enabled=enabled)
        self.settle()

    @rule(name=NAMES, host=HOSTS, back=st.booleans())
    def delete(self, name: str, host: str, back: bool) -> None:
        for plant in self.both:
            with suppress(Exception):
                (plant.vaults[host].recover if back else plant.vaults[host].delete)(name)
        self.settle()

    @rule(configured=SETTINGS)
    def reconfigure(self, configured: Configuration) -> None:
        for plant in self.both:
            plant.start(configured, Stamp("", f"{int(plant.stamp.imported) + 1}"))
        self.settle()

    @rule(
        cluster=CLUSTERS,
        site=st.sampled_from(["one", "two", "none"]),
        only=st.sampled_from(["", "", "trust", "issuer"]),
    )
    def register(self, cluster: str, site: str, only: str) -> None:
        lists = (ListOverride(only),) if only else ()
        for plant in self.both:
            plant.register(replace(registration(cluster, site=site), lists=lists))
        self.settle()

    @rule(cluster=CLUSTERS)
    def remove_and_register(self, cluster: str) -> None:
        for plant in self.both:
            before = plant.decisions.snapshot(fresh=True).clusters[cluster]
            unregister(plant.runtime, cluster)
            plant.register(before)
        self.settle()

    @rule()
    def approve(self) -> None:
        for plant in self.both:
            for question in plant.questions():
                with suppress(TrustcastError):
                    removals.approve(plant.runtime, question.digest)
        self.settle()

    @rule(host=HOSTS)
    def empty(self, host: str) -> None:
        for plant in self.both:
            for name in [item.name for item in plant.vaults[host].listing()][:4]:
                plant.vaults[host].delete(name)
        self.settle()

    @rule(host=HOSTS)
    def forget(self, host: str) -> None:
        for plant in self.both:
            with suppress(TrustcastError):
                forget_vault(plant.runtime, host)
        self.settle()

    @rule()
    def remove_orphan(self) -> None:
        for plant in self.both:
            for orphan in orphans(plant.statuses.all())[:1]:
                remove_orphans(plant.runtime, orphan.sha256)
        self.settle()

    @rule(which=st.sampled_from([LEAF, OTHER, V2, SUB]))
    def clear(self, which: certs.Built) -> None:
        for plant in self.both:
            with suppress(TrustcastError):
                clear_revoked(plant.runtime, which.sha256)
        self.settle()

    @rule(days=st.integers(20, 28))
    def begin_anew(self, days: int) -> None:
        for plant in self.both:
            for authority in plant.decisions.snapshot(fresh=True).authorities.values():
                with suppress(TrustcastError):
                    forget_older(plant.runtime, authority.key, NOW - days * DAY)
        self.settle()

    @rule(
        cluster=CLUSTERS,
        key=st.sampled_from(["s00.der", "leaf.der", "same.der"]),
        data=st.sampled_from([None, b"junk", LEAF.der]),
    )
    def edit(self, cluster: str, key: str, data: bytes | None) -> None:
        """A hand edit is found by verifying, so both fleets look."""
        for plant in self.both:
            with suppress(Exception):
                plant.clusters[cluster].state.edit(*WHERE, {key: data})
            push_cluster(plant.runtime, cluster)
        self.settle()

    @rule(span=st.sampled_from([HOUR, 5 * HOUR]))
    def wait(self, span: timedelta) -> None:
        for plant in self.both:
            plant.clock.move(span)
        self.settle()

    @invariant()
    def alike(self) -> None:
        seen = []
        for plant in self.both:
            lists = {(c, d.object): plant.files(c, d) for c in plant.clusters for d in LISTS}
            owners = {s.place: {n: f.owner for n, f in s.files.items()} for s in plant.statuses.all()}
            states = {s.place: (s.state, s.detail, s.reserved) for s in plant.statuses.all()}
            asked = [(q.asked, q.clusters, len(q.removals)) for q in plant.questions() if not q.rejected]
            seen.append((lists, owners, states, sorted(asked)))
        for one, other in zip(*seen, strict=True):
            assert one == other


TestPlannedAndForced = PlannedAndForced.TestCase
TestPlannedAndForced.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

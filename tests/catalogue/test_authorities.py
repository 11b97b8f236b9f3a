"""What of its CRLs a CA key is remembered by."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.authorities import (
    MOST_CARRIED,
    MOST_CRLS,
    SERIAL_BITS,
    Authority,
    ProvenCrl,
    authority_after,
    may_prove,
)
from sync.certificates.items import Certificate, Kind, RevocationList, parse
from tests.support import certs
from tests.support.certs import DAY, NOW, YEAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.certs import Built, BuiltCrl

ROOT, RENEWED, OTHER = certs.ca(), certs.ca(key_name="renewed"), certs.ca(name="Other CA")
LEAF = certs.server(name="leaf", issuer=ROOT)
ENDED = certs.server(name="ended", issuer=ROOT, not_after=NOW - 10 * DAY)


def certificate(built: Built) -> Certificate:
    parsed = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(parsed, Certificate)
    return parsed


def parsed(built: BuiltCrl) -> RevocationList:
    crl = parse(Kind.CRL, built.der)
    assert isinstance(crl, RevocationList)
    return crl


def serial(built: Built) -> int:
    return built.certificate.serial_number


def after(
    authority: Authority | None,
    *crls: BuiltCrl,
    ca: Built = ROOT,
    known: Sequence[Built] = (LEAF, ENDED),
    now: datetime = NOW,
    source: str = "kv1/crl",
) -> Authority:
    given_crls = [(parsed(crl), source) for crl in crls]
    return authority_after(authority, certificate(ca), given_crls, map(certificate, known), now)


def in_turn(*crls: BuiltCrl, known: Sequence[Built] = (LEAF, ENDED)) -> Authority:
    """One after the other, as they are uploaded."""
    authority = after(None, known=known)
    for crl in crls:
        authority = after(authority, crl, known=known)
    return authority


def revoked(authority: Authority) -> set[int]:
    return {serial for crl in authority.counting for serial in crl.revoked}


def one(authority: Authority) -> ProvenCrl:
    (crl,) = authority.counting
    return crl


def numbered(number: int | None, *entries: int | Built, day: float = 0, **others: Any) -> BuiltCrl:
    """A CRL of so many days after a month ago."""
    return certs.crl(ROOT, revoked=entries, number=number, this_update=NOW + (day - 30) * DAY, **others)


# What proves

ODD = certs.odd_extension()
NO_CRL_SIGN = certs.ca(name="No CRL Sign CA", key_usage=("key_cert_sign",))
OLD_ROOT = certs.ca(name="Old Root", key="rsa-2048")
PROOFS: dict[str, tuple[Built, BuiltCrl, bool]] = {
    "a CRL of the CA": (ROOT, certs.crl(ROOT), True),
    "one that has ended": (ROOT, certs.crl(ROOT, this_update=NOW - 2 * YEAR, next_update=NOW - YEAR), True),
    "one of a CA that has ended": (certs.ca(not_after=NOW - DAY), certs.crl(ROOT), True),
    "one whose issuer name ends in a blank": (ROOT, certs.crl(ROOT, issuer_name="O=Example,CN=Plant Root CA\\ "), True),
    "one signed with SHA-1": (OLD_ROOT, certs.crl(OLD_ROOT, signature_hash="sha1"), True),
    "one signed with MD5, which is not delivered": (OLD_ROOT, certs.crl(OLD_ROOT, signature_hash="md5"), True),
    "one for CA certificates only": (
        ROOT,
        certs.crl(ROOT, extensions=[certs.point(only_contains_ca_certs=True)]),
        True,
    ),
    "one that names its distribution point": (ROOT, certs.crl(ROOT, extensions=[certs.named_point()]), True),
    "an entry with reason 7": (
        ROOT,
        certs.crl(ROOT, revoked=[5], entry_extensions=[(certs.odd_extension("2.5.29.21", b"\x0a\x01\x07"), False)]),
        True,
    ),
    "a CA without a key usage": (certs.ca(key_usage=None), certs.crl(ROOT), True),
    "a CA whose key usage lacks cRLSign": (NO_CRL_SIGN, certs.crl(NO_CRL_SIGN), False),
    "a key of the same name that did not sign": (RENEWED, certs.crl(ROOT), False),
    "a forgery": (ROOT, certs.crl(ROOT, signer=OTHER), False),
    "a CA of another name": (OTHER, certs.crl(OTHER, issuer_name="O=Example,CN=Plant Root CA"), False),
    "a delta CRL": (ROOT, certs.crl(ROOT, extensions=[(x509.DeltaCRLIndicator(1), True)]), False),
    "an indirect CRL": (ROOT, certs.crl(ROOT, extensions=[certs.point(indirect_crl=True)]), False),
    "an unknown critical extension": (ROOT, certs.crl(ROOT, extensions=[(ODD, True)]), False),
    "an unknown critical extension of an entry": (
        ROOT,
        certs.crl(ROOT, revoked=[5], entry_extensions=[(ODD, True)]),
        False,
    ),
    "an entry that is taken back": (
        ROOT,
        certs.crl(ROOT, revoked=[5], entry_extensions=[(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)]),
        False,
    ),
}


@pytest.mark.parametrize("case", PROOFS)
def test_what_a_ca_proves(case: str) -> None:
    ca, crl, proves = PROOFS[case]
    assert may_prove(certificate(ca), parsed(crl)) is proves
    assert bool(after(None, crl, ca=ca).crls) is proves


# What is remembered


def test_an_authority_is_a_ca_key_under_one_name() -> None:
    authority = after(None, numbered(7, LEAF))
    root = certificate(ROOT)
    assert (authority.name, authority.key, authority.ca) == (root.subject_name, root.key_sha256, root.der)
    assert (authority.needed, authority.forgotten) == (NOW, None)
    crl = one(authority)
    assert (crl.scope, crl.number, crl.this_update, crl.source) == ("", 7, NOW - 30 * DAY, "kv1/crl")
    assert crl.revoked == {serial(LEAF): NOW - 31 * DAY}
    assert crl.sha256 == numbered(7, LEAF).sha256


def test_nothing_given_changes_only_when_it_was_needed() -> None:
    authority = in_turn(numbered(1, LEAF))
    later = after(authority, now=NOW + DAY)
    assert later.needed == NOW + DAY
    assert later.crls == authority.crls
    assert after(later, now=NOW).needed == NOW + DAY


def test_another_certificate_of_the_key_leaves_the_one_that_is_kept() -> None:
    again = certs.ca(serial=3, not_after=NOW + 2 * YEAR)
    assert after(in_turn(numbered(1)), numbered(2, LEAF), ca=again).ca == ROOT.der


def test_a_hundred_and_twenty_copies_of_one_crl_are_one() -> None:
    copies = [(parsed(numbered(1, LEAF)), f"kv1/copy-{n:03}") for n in range(120)]
    authority = authority_after(None, certificate(ROOT), reversed(copies), (), NOW)
    assert [crl.source for crl in authority.crls] == ["kv1/copy-000"]
    assert authority_after(authority, certificate(ROOT), copies[60:], (), NOW) == authority


def test_numbers_and_serials_of_20_octets_are_remembered() -> None:
    assert one(in_turn(numbered(2**159, 2**158))).number == 2**159
    assert revoked(in_turn(numbered(2**159, 2**158))) == {2**158}


def test_a_serial_number_that_no_row_can_hold_is_passed_over() -> None:
    longer = 1 << SERIAL_BITS
    crl = replace(parsed(numbered(1)), revoked={5: NOW, longer: NOW, longer - 1: NOW})
    assert set(ProvenCrl.of(crl, "kv1/crl").revoked) == {5, longer - 1}


# Which one counts


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_of_crls_10_5_and_7_the_one_with_number_10_counts(order: tuple[int, ...]) -> None:
    given_crls = (numbered(10, 10, day=1), numbered(5, 5, day=2), numbered(7, 7, day=3))
    assert revoked(in_turn(*(given_crls[n] for n in order))) == {10}


def test_of_crls_without_numbers_the_latest_counts() -> None:
    first, second, third = (numbered(None, day, day=day) for day in (1, 2, 3))
    assert revoked(in_turn(second, third, first)) == {3}


def test_a_crl_with_a_number_and_one_without_are_compared_by_date() -> None:
    with_number, without = numbered(9, 9, day=2), numbered(None, 1, day=3)
    assert revoked(in_turn(with_number, without)) == revoked(in_turn(without, with_number)) == {1}
    assert revoked(in_turn(with_number, without, numbered(10, 10, day=4))) == {10}


def test_an_older_number_of_a_later_date_stays_older_behind_one_without() -> None:
    """By pairs the three go round in a circle."""
    circle = (numbered(10, 10, day=1), numbered(None, 1, day=2), numbered(5, 5, day=3))
    assert revoked(in_turn(*circle)) == revoked(in_turn(*circle[::-1])) == {1}


def test_a_ca_that_never_counts_up_is_followed_by_date() -> None:
    assert revoked(in_turn(numbered(1, 5, day=1), numbered(1, 5, 6, day=2), numbered(1, 5, day=1))) == {5, 6}


def test_the_second_of_two_equal_ones_changes_nothing() -> None:
    """A CRL signed twice: other bytes, the same words."""
    signed, again = (numbered(1, LEAF, signature_hash=name) for name in ("sha256", "sha384"))
    for first, second in ((signed, again), (again, signed)):
        assert in_turn(first, second) == in_turn(first)
    assert after(None, signed, again) == after(None, again, signed)


def test_of_two_of_one_number_and_date_the_one_that_lists_more_counts() -> None:
    """No CA should issue them; what is carried over is no part of what they list."""
    earlier, less, more = numbered(1, ENDED, day=1), numbered(2, day=25), numbered(2, 5, day=25)
    for order in ((earlier, less, more), (earlier, more, less)):
        assert revoked(in_turn(*order)) == {5, serial(ENDED)}


def test_of_two_of_one_date_the_one_with_a_number_counts() -> None:
    with_number, without = numbered(1, 5), numbered(None, 6)
    assert revoked(in_turn(with_number, without)) == revoked(in_turn(without, with_number)) == {5}


def test_a_hold_that_is_lifted_ends_and_the_older_crl_brings_nothing_back() -> None:
    hold = (x509.CRLReason(x509.ReasonFlags.certificate_hold), False)
    held, lifted = numbered(1, LEAF, entry_extensions=[hold], day=1), numbered(2, day=2)
    assert revoked(in_turn(held)) == {serial(LEAF)}
    assert revoked(in_turn(held, lifted)) == set()
    assert in_turn(held, lifted, held) == in_turn(held, lifted)


def test_scopes_count_beside_each_other() -> None:
    """A newer CRL for CA certificates only says nothing of a hold in the complete one."""
    complete = numbered(1, LEAF, day=1)
    cas_only = numbered(2, 77, day=2, extensions=[certs.point(only_contains_ca_certs=True)])
    assert revoked(in_turn(complete, cas_only)) == {serial(LEAF), 77}
    assert revoked(in_turn(complete, cas_only, numbered(3, day=3))) == {77}


def test_what_comes_in_which_scope_is_kept_by_scope() -> None:
    scopes = [(), [certs.named_point()], [certs.point(only_contains_user_certs=True)]]
    authority = in_turn(*(numbered(n, n + 1, extensions=scope) for n, scope in enumerate(scopes)))
    assert {crl.scope: set(crl.revoked) for crl in authority.counting} == {
        parsed(numbered(1, extensions=scope)).scope: {n + 1} for n, scope in enumerate(scopes)
    }


def test_of_more_scopes_than_are_kept_the_latest_stay() -> None:
    crls = [numbered(1, n + 1, day=n, extensions=[certs.named_point(f"http://crl/{n}")]) for n in range(MOST_CRLS + 4)]
    for given_crls in (crls, crls[::-1]):
        assert revoked(in_turn(*given_crls)) == set(range(5, MOST_CRLS + 5))
    assert in_turn(*crls, *crls) == in_turn(*crls)


# What is forgotten


def test_numbers_begin_anew_after_what_was_told_to_be_forgotten() -> None:
    before = in_turn(numbered(900, LEAF, day=1))
    anew = numbered(1, 5, day=9)
    assert revoked(after(before, anew)) == {serial(LEAF)}
    told = forgetting(before, anew)
    assert told.counting == ()
    assert revoked(after(told, anew)) == {5}
    assert revoked(after(after(told, anew), numbered(900, LEAF, day=1), numbered(901, LEAF, day=8))) == {5}
    assert revoked(after(after(told, anew), numbered(2, 6, day=10))) == {6}


def forgetting(authority: Authority, crl: BuiltCrl) -> Authority:
    return msgspec.structs.replace(authority, forgotten=parsed(crl).this_update)


def test_what_is_forgotten_carries_nothing_over() -> None:
    before = in_turn(numbered(900, ENDED, day=1))
    anew = numbered(1, day=29)
    assert revoked(after(forgetting(before, anew), anew)) == set()


# What is carried over


def test_a_revoked_certificate_that_expired_stays_revoked_when_a_crl_omits_it() -> None:
    """RFC 5280 §3.3."""
    authority = in_turn(numbered(1, LEAF, ENDED, day=1), numbered(2, day=25))
    assert one(authority).number == 2
    assert one(authority).revoked == {serial(ENDED): NOW - 30 * DAY}
    assert one(authority).carried == (serial(ENDED),)


def test_what_was_carried_over_stays_when_the_certificate_is_gone() -> None:
    authority = in_turn(numbered(1, ENDED, day=1), numbered(2, day=25))
    assert revoked(after(authority, numbered(3, day=26), known=())) == {serial(ENDED)}


NOT_CARRIED = {
    "it had not expired when the newer one was made": (ENDED, 19.9),
    "the catalogue does not know it": (certs.server(name="unknown", issuer=ROOT, not_after=NOW - 10 * DAY), 25),
    "another key issued what the catalogue knows": (
        certs.server(name="foreign", issuer=RENEWED, not_after=NOW - 10 * DAY),
        25,
    ),
}


@pytest.mark.parametrize("case", NOT_CARRIED)
def test_an_entry_ends_with_its_crl_where(case: str) -> None:
    listed, day = NOT_CARRIED[case]
    foreign = certs.server(name="foreign", issuer=RENEWED, not_after=NOW - 10 * DAY)
    authority = in_turn(numbered(1, listed, day=1), numbered(2, day=day), known=(LEAF, ENDED, foreign))
    assert revoked(authority) == set()


def test_a_serial_number_used_twice_ends_while_one_of_the_two_is_valid() -> None:
    valid = certs.server(name="reused", issuer=ROOT, serial=serial(ENDED))
    assert revoked(in_turn(numbered(1, ENDED, day=1), numbered(2, day=25), known=(ENDED, valid))) == set()


def test_an_entry_is_carried_from_a_crl_without_a_number_to_one_with() -> None:
    assert revoked(in_turn(numbered(None, ENDED, day=1), numbered(1, day=25))) == {serial(ENDED)}


def test_a_crl_that_lists_a_carried_entry_itself_gives_the_date() -> None:
    again = numbered(3, ENDED, day=26, revoked_at=NOW - 90 * DAY)
    crl = one(in_turn(numbered(1, ENDED, day=1), numbered(2, day=25), again))
    assert (crl.revoked, crl.carried) == ({serial(ENDED): NOW - 90 * DAY}, ())


def test_of_more_entries_than_are_carried_the_latest_revocations_stay() -> None:
    root, count = certificate(ROOT), MOST_CARRIED + 40
    dates = {n: NOW - timedelta(days=400 - n % 300, seconds=n) for n in range(1, count + 1)}
    held = ProvenCrl("", 1, NOW - 30 * DAY, dates, tuple(dates), "e" * 64, "kv1/crl")
    before = Authority(root.subject_name, root.key_sha256, root.der, NOW, (held,))
    crl = one(after(before, numbered(2, day=25)))
    assert len(crl.carried) == MOST_CARRIED
    dropped = dates.keys() - set(crl.carried)
    assert max(dates[n] for n in dropped) <= min(dates[n] for n in crl.carried)


# In every order

SCOPES = ((), (certs.point(only_contains_ca_certs=True),))
POOL = tuple(
    certs.server(name=f"pool{n}", issuer=ROOT, serial=n + 1, not_after=NOW - (40 - 10 * n) * DAY) for n in range(5)
)
"""Certificates that expire 10 days after each other, the last of them today."""

CRLS = st.lists(
    st.builds(
        lambda number, day, entries, scope: (number, day, tuple(sorted(entries)), scope),
        st.none() | st.integers(0, 4),
        st.integers(0, 5).map(lambda n: 6 * n),
        st.sets(st.integers(1, 5)),
        st.integers(0, 1),
    ),
    max_size=6,
)


def built(drawn: tuple[int | None, int, tuple[int, ...], int]) -> BuiltCrl:
    number, day, entries, scope = drawn
    return numbered(number, *entries, day=day, extensions=SCOPES[scope])


def grouped(data: st.DataObject, crls: Sequence[BuiltCrl]) -> Iterable[Sequence[BuiltCrl]]:
    """The CRLs in any order, cut anywhere."""
    order = data.draw(st.permutations(crls))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(crls)))) | {0, len(crls)})
    return [order[begin:end] for begin, end in pairwise(cuts)]


def own_words(authority: Authority) -> dict[str, tuple[int | None, datetime, dict[int, datetime]]]:
    """Of each scope what its CRL that counts lists itself."""
    return {
        crl.scope: (crl.number, crl.this_update, {n: d for n, d in crl.revoked.items() if n not in crl.carried})
        for crl in authority.counting
    }


@given(CRLS, st.data())
def test_in_every_order_and_grouping_the_same_crl_counts(drawn: list[Any], data: st.DataObject) -> None:
    """Only what is carried over may differ, and that is only of what had expired when the latest was made."""
    crls = [built(each) for each in drawn]
    at_once, step_by_step = after(None, *crls, known=POOL), after(None, known=POOL)
    for group in grouped(data, crls):
        step_by_step = after(step_by_step, *group, known=POOL)
    assert own_words(step_by_step) == own_words(at_once)
    latest = max((parsed(crl).this_update for crl in crls), default=NOW)
    expired = {serial(each) for each in POOL if each.certificate.not_valid_after_utc < latest}
    for authority in (at_once, step_by_step):
        assert {n for crl in authority.counting for n in crl.carried} <= expired


@given(CRLS, st.data())
def test_crls_taken_up_at_once_give_the_same_in_every_order(drawn: list[Any], data: st.DataObject) -> None:
    crls = [built(each) for each in drawn]
    assert after(None, *data.draw(st.permutations(crls)), known=POOL) == after(None, *crls, known=POOL)


@given(CRLS, st.data())
def test_what_was_taken_up_already_changes_nothing(drawn: list[Any], data: st.DataObject) -> None:
    crls = [built(each) for each in drawn]
    authority = after(None, *crls, known=POOL)
    assert (
        after(authority, *data.draw(st.lists(st.sampled_from(crls)) if crls else st.just([])), known=POOL) == authority
    )


@given(CRLS, st.data())
def test_without_expired_certificates_revocations_are_one_in_every_order(drawn: list[Any], data: st.DataObject) -> None:
    crls = [built(each) for each in drawn]
    authority = after(None, known=())
    for group in grouped(data, crls):
        authority = after(authority, *group, known=())
    at_once = after(None, *crls, known=())
    assert [crl.revoked for crl in authority.counting] == [crl.revoked for crl in at_once.counting]

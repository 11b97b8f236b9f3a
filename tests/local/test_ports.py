"""Ports that servers come back on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from local.support.ports import AFTER, FIRST, free_ports

if TYPE_CHECKING:
    import pytest


def test_ports_differ_are_free_and_are_never_given_to_outgoing_connections() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(FIRST <= port < AFTER for port in ports)
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_a_port_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = sorted(free_ports(2))
    offered = iter([taken - FIRST, free - FIRST])
    monkeypatch.setattr("local.support.ports.secrets.randbelow", lambda _: next(offered))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [free]

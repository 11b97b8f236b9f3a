"""Types are looked at by one thread at a time: msgspec ends the process where two do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sync.typed_json import converted, decoded

ROOT = Path(__file__).parents[1]
RACE = """
import sys, threading
import msgspec
from sync.typed_json import decoded

sys.setswitchinterval(1e-6)
DEFINITIONS = '''
from __future__ import annotations
from dataclasses import dataclass
import msgspec
class Inner(msgspec.Struct):
    a: str
    b: int | None = None
@dataclass
class Middle:
    inner: Inner
    more: dict[str, tuple[Inner, ...]]
class Outer(msgspec.Struct):
    middle: Middle
    rest: list[Middle] | None = None
'''
TEXT = b'{"middle":{"inner":{"a":"x"},"more":{"y":[{"a":"z","b":1}]}},"rest":[]}'

def decode(kind, barrier):
    barrier.wait()
    assert decoded(TEXT, kind).middle.more["y"][0].b == 1

for number in range(150):
    module = type(sys)(f"types_{number}")
    sys.modules[module.__name__] = module
    exec(DEFINITIONS, module.__dict__)
    barrier = threading.Barrier(6)
    threads = [threading.Thread(target=decode, args=(module.Outer, barrier)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
"""


def test_threads_that_decode_to_a_new_type_at_the_same_time_end_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Named(msgspec.Struct):
    """Some type."""

    name: str


def test_json_and_fields_become_values() -> None:
    assert decoded('{"name":"a"}', Named) == decoded(msgspec.Raw(b'{"name":"a"}'), Named) == Named("a")
    assert converted({"name": "a"}, Named) == Named("a")


@pytest.mark.parametrize("text", ["", "{}", '{"name":1}', b"\xff", "\ud800"])
def test_what_is_not_the_wanted_value_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeError)) as refused:
        decoded(text, Named)
    assert isinstance(refused.value, ValueError)


def test_every_type_is_looked_at_here() -> None:
    files = [path for path in (ROOT / "sync").rglob("*.py") if path.name != "typed_json.py"]
    looking = ("type=", "Decoder(", "msgspec.convert(")
    lines = [line for path in files for line in path.read_text("utf-8").splitlines() if "msgspec" in line]
    assert [line for line in lines if any(each in line for each in looking) and "type=Content" not in line] == []

"""Whether a process named in the database still lives."""

import itertools
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from autopack.store.holders import Holder


@pytest.fixture
def me():
    return Holder.of_this_process()


@pytest.fixture
def child():
    """A process that lives until its input closes."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(process.pid).create_time() - psutil.boot_time()
    yield process, replace(Holder.of_this_process(), pid=process.pid, started=started)
    process.kill()
    process.communicate()


def test_a_living_process_is_not_gone(me, child):
    assert not me.is_gone()
    assert not child[1].is_gone()


def test_a_killed_process_is_gone_even_before_its_parent_noticed(child):
    process, holder = child
    process.kill()
    psutil.wait_procs([psutil.Process(process.pid)], timeout=0.2)
    assert holder.is_gone()
    process.wait()
    assert holder.is_gone()


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"boot_id": "another"}, False),  # restarted, or another host of the same name
        ({"started": -100.0}, True),  # the pid now belongs to another process
        ({"host": "another"}, False),  # nothing can be known about another host
        ({"host": "another", "boot_id": "another"}, False),
    ],
)
def test_a_holder_is_gone_only_when_that_is_proven(me, changes, gone):
    assert replace(me, **changes).is_gone() is gone


def test_a_moved_clock_does_not_end_a_process(me, monkeypatch):
    boot_time = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: boot_time + 3600 + me.started)
    assert not me.is_gone()


def test_a_holder_survives_json(me):
    assert Holder.from_json(me.to_json()) == me


def test_a_holder_of_this_host_says_since_when(me):
    assert me.describe().startswith(f"pid {me.pid} on {me.host} since 20")
    assert replace(me, host="another").describe() == f"pid {me.pid} on another"


def test_setting_the_clock_makes_nobody_seem_gone(monkeypatch):
    me = Holder.of_this_process()
    true = psutil.boot_time()
    steps = itertools.cycle([true, true + 45, true - 45])
    monkeypatch.setattr("psutil.boot_time", lambda: next(steps))
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: next(steps), raising=False)
    assert not any(me.is_gone() for _ in range(6))

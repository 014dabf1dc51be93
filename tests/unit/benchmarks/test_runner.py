"""Benchmarks run one after the other: what fails is named, what it leaves behind is removed, nothing runs for ever."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import children, measuring, question

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Make a program of this text the benchmark of that name."""
    package = tmp_path / "path" / "benchmarks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__path__.append({str(ROOT / 'benchmarks')!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(package.parent)

    def write(name: str, text: str) -> None:
        (package / f"{name}.py").write_text(text)
        monkeypatch.setitem(runner.QUESTIONS, name, 0)

    return write


PUBLISHES = """
from pathlib import Path
from benchmarks.plot import Panel, Series
from benchmarks.question import main
from benchmarks.report import Report
from benchmarks.spread import Spread

def measure(run):
    (run.work / "left behind").write_text("x")
    found = Report("fine", asks="?", method=[])
    found.plot("Fine.", Panel(along="a", at=["b"], quantity="c", unit="s", series=[Series("d", [Spread.of([1])])]))
    return found

main(measure)
"""


def test_a_failing_question_does_not_stop_the_others(
    pretend: Callable[[str, str], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is named at the end with its reason, the exit code says so, and the others have published."""
    pretend("broken", "raise SystemExit(3)")
    pretend("fine", PUBLISHES)
    work, results = tmp_path / "work", tmp_path / "results"
    work.mkdir()
    code = runner.main(["--work", str(work), "--results", str(results), "broken", "fine"])
    assert code == 1
    assert "FAILED broken: ended with exit code 3" in capfd.readouterr().out
    assert sorted(path.name for path in results.iterdir()) == ["fine.json", "fine.svg"]
    assert list(work.iterdir()) == []


def test_the_disk_is_looked_at_before(pretend: Callable[[str, str], None], tmp_path: Path) -> None:
    """A question that needs more room than there is does not start to fill the disk."""
    pretend("huge", "raise AssertionError('it was started')")
    runner.QUESTIONS["huge"] = 1 << 60
    assert "needs 1152921505 GB" in runner.answer("huge", work=tmp_path, results=tmp_path, quick=True)


def test_what_a_question_started_ends_with_it(pretend: Callable[[str, str], None], tmp_path: Path) -> None:
    """A benchmark that is killed leaves no process behind."""
    pretend(
        "killed",
        "import os, subprocess, sys, pathlib\n"
        "child = subprocess.Popen(['sleep', '100'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "os.kill(os.getpid(), 9)\n",
    )
    assert runner.answer("killed", work=tmp_path, results=tmp_path, quick=True) == "ended with exit code -9"
    pid = int((tmp_path / "pid").read_text())
    measuring.until(lambda: not measuring.alive([pid]), what="the end of its child", within_s=10)


def test_a_question_that_does_not_end_is_ended(
    pretend: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets a signal after its limit, and the run goes on."""
    monkeypatch.setattr(runner, "LIMIT_S", 0)
    monkeypatch.setattr(runner, "GRACE_S", 1)
    pretend("endless", "import signal\nsignal.pause()\n")
    assert "not within 1 s: the end of endless" in runner.answer("endless", work=tmp_path, results=tmp_path, quick=True)


def test_a_question_ends_with_a_killed_run(pretend: Callable[[str, str], None], tmp_path: Path) -> None:
    """Also when the run had no chance to end it: it unwinds, and removes what it wrote."""
    pretend(
        "orphan",
        "import os, pathlib, time\nfrom benchmarks.question import main\n"
        "def measure(run):\n"
        f"    pathlib.Path({str(tmp_path / 'draft')!r}).write_text(f'{{os.getpid()}} {{run.work}}')\n"
        f"    os.rename({str(tmp_path / 'draft')!r}, {str(tmp_path / 'told')!r})\n"
        "    time.sleep(100)\n"
        "main(measure)\n",
    )
    program = (
        "from pathlib import Path; from benchmarks import __main__ as runner; "
        f"runner.answer('orphan', work=Path({str(tmp_path)!r}), results=Path({str(tmp_path)!r}), quick=True)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as run:
        measuring.until((tmp_path / "told").exists, what="a running question", within_s=20)
        pid, work = (tmp_path / "told").read_text().split()
        assert Path(work).is_dir()
        run.kill()
    measuring.until(lambda: not measuring.alive([int(pid)]), what="the end of the question", within_s=20)
    assert not Path(work).exists()


def test_an_unknown_question_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that there are."""
    with pytest.raises(SystemExit) as ended:
        runner.main(["simulatr"])
    assert ended.value.code == 2
    assert "no such question: simulatr (there are " in capsys.readouterr().err


def test_a_quick_run_never_writes_over_the_kept_results() -> None:
    """Its figures go to a place of their own."""
    folder = question.results_folder(quick=True)
    folder.rmdir()
    assert folder != question.RESULTS
    assert question.results_folder(quick=False) == question.RESULTS


def test_every_question_is_a_program_that_says_what_it_asks() -> None:
    """It is on the map of the folder, and the page has a section for it."""
    import benchmarks

    for name in runner.QUESTIONS:
        assert (ROOT / "benchmarks" / f"{name}.py").exists()
        assert name in (benchmarks.__doc__ or "")
        assert f"<!-- figures: {name} -->" in (ROOT / "benchmarks" / "README.md").read_text()


def test_children_are_ended_with_the_block() -> None:
    """Also when the block fails, and also a child that ignores SIGTERM."""
    deaf = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    pids: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(children, "END_S", 0.2)
        child = children.start([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        pids.append(child.pid)
        children.end([child])
        child.stdout.close()
    with contextlib.suppress(LookupError), children.running(["sleep", "100"]) as started:
        pids += started
        assert measuring.alive(started) == started
        raise LookupError
    assert measuring.alive(pids) == []


def test_a_childs_child_dies_with_a_killed_benchmark() -> None:
    """The kernel ends what nobody is left to end."""
    program = "from benchmarks import children; print(children.start(['sleep', '100']).pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as benchmark:
        assert benchmark.stdout is not None
        pid = int(benchmark.stdout.readline())
        assert measuring.alive([pid]) == [pid]
        benchmark.send_signal(signal.SIGKILL)
    measuring.until(lambda: not measuring.alive([pid]), what="the end of the child", within_s=10)


def test_cpu_time_is_what_threads_ran() -> None:
    """A busy process uses it, and one that has ended is not taken for an idle one."""
    busy = "while True: pass"
    with children.running([sys.executable, "-c", busy]) as pids:
        measuring.until(lambda: measuring.cpu_seconds(pids) > 0.1, what="a tenth of a second of CPU", within_s=20)
        (window,) = next(measuring.windows([pids], count=1, seconds=0.2))
        assert 0 < window.cpu_percent < 110
        assert measuring.pss_bytes(pids) > 1_000_000
    with pytest.raises(measuring.ProcessEnded):
        measuring.cpu_seconds(pids)
    with pytest.raises(measuring.ProcessEnded):
        measuring.pss_bytes(pids)

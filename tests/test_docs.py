"""Documentation is true: links resolve, commands exist, examples run, generated pages are fresh."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
import typer
import yaml

from nba.catalog.reference import copy_reference
from nba.cli import app
from nba.ingestion.segment import SegmentBody
from nba.serving.openapi import openapi_document
from nba.serving.schemas import DecisionBody, OutcomeBody, ProfileBody
from nba.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "serving").rglob("*.md"),
        *(ROOT / "training").rglob("*.md"),
        *(ROOT / "models").rglob("*.md"),
    ]
)
GENERATED = {
    f"docs/reference/{name}.md" for name in ("access", "cli", "features", "policies", "settings")
}
SHOWN_URL = "http://127.0.0.1:8080"
READY_SECONDS = 240

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_BODIES = {
    ("POST", "/v1/decisions"): DecisionBody,
    ("POST", "/v1/outcomes"): OutcomeBody,
    ("POST", "/v1/events"): SegmentBody,
    ("PUT", "/v1/customers"): ProfileBody,
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def joined(text: str) -> Iterator[str]:
    """Iterate over shell commands, those over several lines as one; ``$ `` is taken off."""
    pending = ""
    for line in text.splitlines():
        pending += line.removeprefix("$ ") if not pending else "\n" + line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        if pending.count("'") % 2:
            continue
        if pending.strip() and not pending.startswith("#"):
            yield pending
        pending = ""


def commands_in(page: Path) -> list[str]:
    found = []
    for block in blocks(page):
        if block.language == "sh":
            found += joined(block.text)
        elif block.language == "console":
            found += [
                command.partition("\n")[0] if "<<" in command else command
                for command, _ in steps(block.text)
            ]
    return found


WRITTEN = [page for page in PAGES if name_of(page) not in GENERATED]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in slugs, f"{name_of(page)} links to {target}"


def test_every_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    reached = {(ROOT / "docs" / target).resolve() for target in _LINK.findall(index)}
    pages = set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "README.md"}
    assert reached == pages


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_and_option_that_is_shown_exists(page: Path):
    known = typer.main.get_command(app)
    for shown in commands_in(page):
        words = [word for word in shlex.split(shown, comments=True) if "=" not in word[:40]]
        if words[:1] == ["make"]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            for target in words[1:]:
                pattern = "bench-%" if target.startswith("bench-") else re.escape(target)
                assert re.search(rf"^{pattern}:", makefile, re.MULTILINE), shown
        if words[:1] == ["nba"]:
            command = known
            rest = words[1:]
            while hasattr(command, "commands"):
                assert rest, shown
                if command.invoke_without_command and rest[0].startswith("--"):
                    break
                assert rest[0] in command.commands, shown
                command, rest = command.commands[rest[0]], rest[1:]
            options = {option for parameter in command.params for option in parameter.opts}
            options |= {o for parameter in command.params for o in parameter.secondary_opts}
            given = {word.partition("=")[0] for word in rest if word.startswith("--")}
            assert given <= options | {"--help"}, shown


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_request_that_is_shown_is_one_the_api_takes(page: Path):
    paths = openapi_document()["paths"]
    for shown in commands_in(page):
        words = shlex.split(shown, comments=True)
        if words[:1] != ["curl"]:
            continue
        url = next(word for word in words if word.startswith("http://"))
        path = re.sub(r"^http://[^/]+", "", url).partition("?")[0]
        body = words[words.index("-d") + 1] if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
        assert any(_is_path(path, known) and method.lower() in paths[known] for known in paths), (
            shown
        )
        if body is not None:
            kind = next(
                k for (m, start), k in _BODIES.items() if m == method and path.startswith(start)
            )
            decoded = json.loads(body)
            items = next(
                (decoded[key] for key in ("outcomes", "batch") if key in decoded), [decoded]
            )
            for item in items:
                msgspec.convert(item, kind)


def _is_path(path: str, template: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def runnable() -> list[Path]:
    return [page for page in WRITTEN if any(block.language == "console" for block in blocks(page))]


@dataclass
class Shell:
    """Runs commands in a project; a service they start is stopped at the end."""

    project: Path
    environment: Mapping[str, str]
    url: str
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: str) -> str:
        """Return what a command prints, as if the service were where pages say it is."""
        if command.split()[:2] == ["nba", "up"]:
            return self._start(command)
        done = subprocess.run(
            ["/bin/bash", "-c", command.replace(SHOWN_URL, self.url)],
            check=False,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return (done.stdout + done.stderr).replace(self.url, SHOWN_URL)

    def _start(self, command: str) -> str:
        log = self.project.parent / "up.log"
        with log.open("wb") as output:
            service = subprocess.Popen(
                shlex.split(command),
                cwd=self.project,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.services.append(service)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and service.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=1.0).is_success:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        return log.read_text(encoding="utf-8").replace(self.url, SHOWN_URL)

    def stop(self) -> None:
        """Stop what was started."""
        for service in self.services:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Give a shell in a copy of the reference project, with data and a port of its own."""
    project = tmp_path / "project"
    copy_reference(project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "COLUMNS": "110",
        "NBA_DATA_DIR": str(tmp_path / "data"),
        "NBA_PORT": str(port),
        "NBA_MLFLOW_PORT": "0",
    }
    started = Shell(project, environment, f"http://127.0.0.1:{port}")
    yield started
    started.stop()


@pytest.mark.parametrize("page", runnable(), ids=name_of)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page: Path, shell: Shell):
    """In a fresh project, in order; a YAML block is written to the file its first line names."""
    for block in blocks(page):
        if block.language == "yaml":
            name = re.match(r"# (\S+\.yaml)\n", block.text)
            assert name, f"{name_of(page)}: the first line of a YAML block names its file"
            yaml.safe_load(block.text)
            (shell.project / name[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command, shown in steps(block.text):
                printed = shell.run(command)
                assert matches(printed, shown), f"$ {command}\n{printed}"


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Iterate over the commands of a console block, each with the lines shown as its output."""
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        command = lines[position].removeprefix("$ ")
        assert lines[position].startswith("$ "), lines[position]
        position += 1
        while command.endswith("\\") or command.count("'") % 2:
            command = command + "\n" + lines[position]
            position += 1
        here = re.search(r"<<'(\w+)'", command)
        while here and not command.endswith(f"\n{here[1]}"):
            command += "\n" + lines[position]
            position += 1
        shown = []
        while position < len(lines) and not lines[position].startswith("$ "):
            shown.append(lines[position])
            position += 1
        yield command, shown


def matches(printed: str, shown: Sequence[str]) -> bool:
    """Say whether output is as shown; ``...`` stands for anything, blanks count as one."""
    wanted = " ".join(" ".join(shown).split())
    pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
    return re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL) is not None


@pytest.mark.parametrize(
    ("printed", "shown"), [("a  b\nc\n", ["a b", "c"]), ("a b c d", ["a ...", "d"]), ("", [])]
)
def test_output_is_as_shown_whatever_its_blanks(printed: str, shown: list[str]):
    assert matches(printed, shown)


@pytest.mark.parametrize(
    ("printed", "shown"), [("a b", ["a"]), ("a", ["a b"]), ("something", []), ("b c", ["a ..."])]
)
def test_output_that_differs_is_found(printed: str, shown: list[str]):
    assert not matches(printed, shown)


def test_generated_pages_are_as_the_code_says():
    checked = subprocess.run(
        [sys.executable, "-m", "tools.reference", "--check"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, f"run `make docs`\n{checked.stdout}{checked.stderr}"


def test_every_setting_is_documented():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name, setting in Settings.model_fields.items():
        assert setting.description, name
        assert f"| `NBA_{name.upper()}` |" in page, name


def test_every_route_is_in_the_page_on_http():
    page = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    for path, operations in openapi_document()["paths"].items():
        for method in operations:
            assert f"`{method.upper()} {path}`" in page, f"{method} {path}"


def test_every_variable_that_is_named_is_a_setting():
    known = {f"NBA_{name.upper()}" for name in Settings.model_fields} | {
        "NBA_DATASETS",
        "NBA_IMAGE",
    }
    for page in WRITTEN:
        named = set(re.findall(r"\bNBA_[A-Z_]+\b", page.read_text(encoding="utf-8")))
        assert named <= known, name_of(page)


def test_decisions_are_numbered_and_say_all_four_parts():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for part in ("**Context.**", "**Decision", "**Alternatives", "**Consequences.**"):
            assert part in text, f"{page.name}: {part}"


def test_the_readme_names_every_folder_of_the_layout():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for folder in (
        "catalog",
        "features",
        "policies",
        "models",
        "serving",
        "training",
        "docs",
        "nba",
    ):
        assert f"`{folder}/`" in readme, folder


def test_make_alone_prints_every_target_the_readme_names():
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    printed = subprocess.run([make], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    for target in ("demo", "test", "check", "bench", "docs", "clean"):
        assert re.search(rf"^  {target} ", printed, re.MULTILINE), target

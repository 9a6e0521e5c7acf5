"""The tracker is built when its sources' content or its scripts differ; with the sample's own."""

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline import tracker
from pipeline.errors import UsageProblem
from pipeline.settings import PROJECT
from tests.unit.repositories import git

pytestmark = pytest.mark.needs("npm")
SAMPLE = PROJECT / "examples/qusto"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The sample's tracker, without the linters that npm would have to fetch."""
    app = tmp_path / "app"
    ignored = shutil.ignore_patterns("node_modules", "package-lock.json")
    shutil.copytree(SAMPLE / "tracker", app / "tracker", ignore=ignored)
    shutil.copy(SAMPLE / ".gitignore", app)
    package = json.loads((app / "tracker/package.json").read_text())
    del package["devDependencies"]
    (app / "tracker/package.json").write_text(json.dumps(package))
    npm = ("npm", "install", "--package-lock-only", "--prefix", str(app / "tracker"))
    subprocess.run(npm, check=True, capture_output=True)
    git(app, "init", "-q")
    git(app, "add", "-A")
    return app


def build(app: Path, mix_env: str = "test", *, force: bool = False) -> str:
    with (app / "said").open("w") as said:
        return tracker.build(app, os.environ, mix_env=mix_env, force=force, out=said)


def why(app: Path, mix_env: str = "test") -> str:
    return tracker.look(app, mix_env).why


def test_tracker_is_built_once_and_again_only_when_something_differs(app: Path):
    script = app / "priv/tracker/js/plausible-web.js"
    assert why(app) == "no build is on record here"
    assert build(app) == "tracker (all scripts): built 2 scripts"
    built = script.read_text()
    assert build(app) == "tracker (all scripts): up to date, nothing built"

    # A new clone has new times; and what git ignores is no source.
    for path in (app / "tracker").rglob("*.js"):
        os.utime(path)
    (app / "tracker/node_modules").mkdir(exist_ok=True)
    (app / "tracker/node_modules/extra.js").write_text("//")
    assert why(app) == ""

    script.write_text("tampered")
    assert why(app) == "priv/tracker/js/plausible-web.js is not as it was built"
    script.unlink()
    assert why(app) == "priv/tracker/js/plausible-web.js is missing"
    assert build(app).endswith("built 2 scripts")
    assert script.read_text() == built

    (app / "tracker/src/new.js").write_text("// untracked, and a source all the same\n")
    assert why(app) == "tracker/ has changed"
    (app / "tracker/src/new.js").unlink()
    assert why(app) == ""


def test_community_edition_has_a_build_of_its_own(app: Path):
    assert build(app, "ce_test") == "tracker (community): built 1 scripts"
    assert not (app / "priv/tracker/installation_support/verifier.js").exists()
    assert why(app, "ce") == ""
    assert why(app, "test") == "no build is on record here"


def test_cache_of_another_clone_is_as_good_as_a_build(app: Path, tmp_path: Path):
    build(app)
    clone = tmp_path / "clone"
    shutil.copytree(app / "tracker", clone / "tracker", copy_function=shutil.copyfile)
    shutil.copy(app / ".gitignore", clone)
    git(clone, "init", "-q")
    assert why(clone) == "no build is on record here"
    for cached in ("_build", "priv/tracker"):
        shutil.copytree(app / cached, clone / cached, copy_function=shutil.copyfile)
    assert why(clone) == ""


def test_application_without_a_tracker_is_refused(tmp_path: Path):
    with pytest.raises(UsageProblem, match=r"no tracker/package\.json"):
        tracker.build(tmp_path, os.environ, mix_env="test", force=False, out=io.StringIO())

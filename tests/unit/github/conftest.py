"""GitHub as tests have it: a small one of ours, watched by Prism."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import github_api
from pipeline.github_api import GitHub
from tests.unit.repositories import isolated
from tests.unit.test_tasks import inv as run_inv

from . import described, hub
from .hub import Hub

TOKEN = "ghp_" + "Marked0Token0Of0This0Test0"  # in parts: no scanner takes it for a real one


@pytest.fixture(scope="session")
def stage() -> list[Hub]:
    return [Hub()]


@pytest.fixture(scope="session")
def plain(stage: list[Hub]) -> Iterator[str]:
    """The address of our GitHub itself, for answers that the description does not have."""
    with hub.serving(stage) as url:
        yield url


@pytest.fixture(scope="session")
def checked(plain: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Prism in front of it."""
    with described.prism(plain, tmp_path_factory.mktemp("prism")) as url:
        yield url


@pytest.fixture
def server(stage: list[Hub]) -> Hub:
    """Our GitHub, as new."""
    stage[0] = Hub()
    return stage[0]


@pytest.fixture
def variables(checked: str) -> dict[str, str]:
    return {
        "GITHUB_API_URL": checked,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "qusto/app",
    }


@pytest.fixture
def github(server: Hub, variables: dict[str, str]) -> Iterator[GitHub]:
    with github_api.connect(github_api.access(variables, "")) as found:
        yield found


Inv = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def inv(server: Hub, variables: dict[str, str], tmp_path: Path) -> Inv:
    """Run `inv github.…` as its user does."""
    environ = isolated(tmp_path, **variables)
    return lambda *words: run_inv(*words, cwd=tmp_path, env=environ)

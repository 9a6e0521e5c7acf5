"""services.up, down and status: real servers, and a docker that only notes how it is called."""

import json
import os
import signal
from pathlib import Path

import pytest

from pipeline.errors import Problem
from pipeline.services import commands
from tests import programs
from tests.unit.services import docker_program, servers
from tests.unit.services.docker_program import Docker


def app(root: Path, *lines: str) -> Path:
    (root / "config").mkdir(parents=True)
    (root / "config/.env.test").write_text("".join(f"{line}\n" for line in lines))
    return root


def environ(docker: Docker | None) -> dict[str, str]:
    """Return an environment in which docker is this one, or is not there."""
    return {"PATH": str(docker.directory) if docker else "/nowhere"}


@pytest.fixture
def redis_url() -> str:
    return f"REDIS_URL=redis://:s3cret@127.0.0.1:{servers.closed_port()}/0"


def test_status_tells_what_answers_and_what_does_not(tmp_path: Path, capsys):
    with servers.redis() as alive:
        dead = servers.closed_port()
        place = app(
            tmp_path,
            f"REDIS_URL=redis://127.0.0.1:{alive.port}",
            f"DATABASE_URL=postgres://u:s3cret@127.0.0.1:{dead}/x",
        )
        assert commands.status(place, {}, format="text") == 1
        assert capsys.readouterr().out == (
            f"dead    PostgreSQL at 127.0.0.1:{dead} (config/.env.test): connection refused; "
            "start it: inv services.up\n"
            f"ok      Redis answers at 127.0.0.1:{alive.port} (config/.env.test)\n"
        )
        assert commands.status(place, {}, format="json") == 1
        told = json.loads(capsys.readouterr().out)
    assert [(one["service"], one["answers"], one["fault"]) for one in told] == [
        ("PostgreSQL", False, "closed"),
        ("Redis", True, None),
    ]


def test_up_leaves_alone_what_answers_and_does_not_need_docker_then(tmp_path: Path, capsys):
    with servers.redis() as alive:
        place = app(tmp_path, f"REDIS_URL=redis://127.0.0.1:{alive.port}")
        assert commands.up(place, environ(None), format="text") == 0
    said = capsys.readouterr().out
    assert said == f"ok      Redis answers at 127.0.0.1:{alive.port} (config/.env.test)\n"


def test_application_that_names_nothing_gets_the_documented_two(tmp_path: Path):
    kinds = [state.service.kind.value for state in commands.look(tmp_path, {})]
    assert kinds == ["PostgreSQL", "ClickHouse"]


def test_up_starts_waits_and_names_what_it_started(tmp_path: Path, redis_url: str, capsys):
    program = programs.program("redis-server")
    port = redis_url.partition("127.0.0.1:")[2].partition("/")[0]
    pid = tmp_path / "pid"
    own = ("--daemonize", "yes", "--save", "", "--pidfile", str(pid), "--dir", str(tmp_path))
    start = (program, "--port", port, "--bind", "127.0.0.1", "--requirepass", "s3cret", *own)
    docker = docker_program.make(tmp_path, {"up": (0, "", "")}, start)
    try:
        place = app(tmp_path / "app", redis_url)
        assert commands.up(place, environ(docker), format="text") == 0
    finally:
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGTERM)
    assert capsys.readouterr().out.startswith("started Redis answers at")
    up = docker.calls[-1]
    assert up.words[:4] == ["compose", "--project-name", up.words[2], "--file"]
    assert up.words[4:] == ["-", "up", "--detach", "--wait", "--wait-timeout", "120", "redis"]
    assert list(json.loads(up.text)["services"]) == ["redis"]
    assert up.secrets == {f"QUSTO_REDIS_{port}_PASSWORD": "s3cret"}
    assert not any("s3cret" in word for call in docker.calls for word in call.words)
    assert "s3cret" not in up.text


def test_container_that_fails_is_named_with_its_last_words(tmp_path: Path, redis_url: str):
    answers = {"up": (1, "", "unhealthy\n"), "logs": (0, "Fatal error, can't open config\n", "")}
    docker = docker_program.make(tmp_path, answers)
    with pytest.raises(Problem) as caught:
        commands.up(app(tmp_path / "app", redis_url), environ(docker), format="text")
    assert caught.value.message == "docker compose did not get redis to work (exit 1)"
    assert caught.value.detail == "--- redis said\nFatal error, can't open config"


def test_container_that_runs_and_never_answers_is_named(
    tmp_path: Path, redis_url: str, monkeypatch
):
    monkeypatch.setattr(commands, "ANSWER", 0.1)
    docker = docker_program.make(tmp_path, {"logs": (0, "listening elsewhere\n", "")})
    with pytest.raises(Problem, match="was started and does not answer at") as caught:
        commands.up(app(tmp_path / "app", redis_url), environ(docker), format="text")
    assert "listening elsewhere" in caught.value.detail


NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (None, "docker is not installed"),
        (
            # As docker 28.2 without the plugin says it.
            {"compose": (1, "", "docker: unknown command: docker compose\n")},
            "docker has no compose plugin: `docker compose version` fails",
        ),
        (
            # docker 28.2 prints what it knows of itself, then this.
            {"compose": (0, "", ""), "version": (1, "\n", f"{NO_ENGINE}\n")},
            f"docker's engine does not answer: {NO_ENGINE}",
        ),
    ],
)
@pytest.mark.parametrize("command", [commands.up, commands.down])
def test_docker_that_cannot_work_is_one_clear_line(
    tmp_path: Path, redis_url: str, answers, said: str, command
):
    docker = docker_program.make(tmp_path, answers) if answers else None
    with pytest.raises(Problem) as caught:
        command(app(tmp_path / "app", redis_url), environ(docker), format="text")
    assert caught.value.message == said
    assert "or run the services yourself" in caught.value.remedy
    assert "\n" not in caught.value.message


def test_taken_port_starts_nothing(tmp_path: Path):
    docker = docker_program.make(tmp_path, {})
    with servers.impostor(lambda _: b"HTTP/1.0 200 OK\r\n\r\n") as port:
        place = app(tmp_path / "app", f"DATABASE_URL=postgres://127.0.0.1:{port}/x")
        with pytest.raises(Problem, match="something else than PostgreSQL answers") as caught:
            commands.up(place, environ(docker), format="text")
    assert caught.value.remedy.startswith("nothing was started: its port is taken")
    assert docker.calls == []


def test_dead_service_on_another_machine_starts_nothing(tmp_path: Path, redis_url: str):
    docker = docker_program.make(tmp_path, {})
    place = app(tmp_path / "app", redis_url, "DATABASE_URL=postgres://db.invalid/x")
    with pytest.raises(Problem, match="no such host") as caught:
        commands.up(place, environ(docker), format="text")
    assert caught.value.remedy == "nothing was started: it is not on this machine"
    assert docker.calls == []


def test_down_removes_our_containers_with_their_data(tmp_path: Path, redis_url: str, capsys):
    docker = docker_program.make(tmp_path, {"ps": (0, "1f2e\n3d4c\n", "")})
    place = app(tmp_path / "app", redis_url)
    assert commands.down(place, environ(docker), format="text") == 0
    assert docker.calls[-1].words[3:] == ["down", "--volumes", "--remove-orphans"]
    assert capsys.readouterr().out.startswith("removed 2 containers (qusto-services-")


def test_down_without_containers_removes_nothing_and_says_what_is_not_ours(tmp_path: Path, capsys):
    docker = docker_program.make(tmp_path, {})
    with servers.redis() as alive:
        place = app(tmp_path / "app", f"REDIS_URL=redis://127.0.0.1:{alive.port}")
        assert commands.down(place, environ(docker), format="text") == 0
    said = capsys.readouterr().out
    assert said.startswith("nothing to remove (qusto-services-")
    assert said.endswith(f"Redis answers at {alive_address(said)}: it is not ours\n")
    assert [call.words[-3:] for call in docker.calls][-1] == ["ps", "--all", "--quiet"]


def alive_address(said: str) -> str:
    return said.partition("answers at ")[2].rpartition(": it is")[0]


def test_two_applications_have_two_projects(tmp_path: Path):
    docker = docker_program.make(tmp_path, {})
    for name in ("one", "two"):
        commands.down(app(tmp_path / name), environ(docker), format="json")
    projects = {call.words[2] for call in docker.calls if "ps" in call.words}
    assert len(projects) == 2

"""hosts.toml: what its tables mean, and what is refused before anything is connected."""

from pathlib import Path

import pytest

from pipeline.errors import UsageProblem
from pipeline.remote import connection, inventory
from pipeline.remote.inventory import Host

STAGING = """
[staging]
hosts = ["${STAGING_DEPLOY_HOST}"]
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "hosts.toml"
        path.write_text(text)
        return path

    return write


def refusal(path: Path, names: list[str], variables: dict[str, str] | None = None) -> str:
    with pytest.raises(UsageProblem) as caught:
        inventory.resolve(names, path, variables or {})
    text = str(caught.value)
    assert caught.value.code == 2
    assert len(text.splitlines()) == 1
    return text


def test_every_key_but_hosts_has_the_documented_default(write):
    target = inventory.resolve(["staging"], write('[staging]\nhosts = ["web1"]'), {})
    environment = target.environment
    assert environment.service == "qusto-staging"
    assert environment.path == "/var/www/qusto/staging"
    assert environment.backups == "/var/www/qusto/backups/staging"
    assert environment.branch == "develop"
    assert environment.confirm is False
    assert (environment.health.timeout, environment.health.deadline) == (20, 120)
    assert target.hosts == (Host("web1", 0),)


def test_production_asks_and_is_called_qusto(write):
    target = inventory.resolve(["production"], write('[production]\nhosts = ["web1"]'), {})
    assert target.environment.confirm is True
    assert target.environment.service == "qusto"
    assert target.environment.branch == "main"


def test_values_come_from_variables_and_may_name_several_hosts(write):
    path = write(STAGING)
    target = inventory.resolve(["staging"], path, {"STAGING_DEPLOY_HOST": "a, b:2222,[::1]:22"})
    assert target.hosts == (Host("a", 0), Host("b", 2222), Host("::1", 22))


def test_an_unset_variable_names_file_key_and_remedy(write):
    text = refusal(write(STAGING), ["staging"])
    assert text == (
        "hosts.toml [staging]: `hosts` needs ${STAGING_DEPLOY_HOST}, which is not set; "
        "export STAGING_DEPLOY_HOST=…, or put it into .env beside hosts.toml"
    )


def test_a_variable_with_a_default_may_be_unset(write):
    path = write('[staging]\nhosts = ["a"]\nkey = "${KEY:-}"')
    assert inventory.resolve(["staging"], path, {}).environment.key == ""


def test_another_environments_unset_variable_does_not_matter(write):
    path = write(STAGING + '[production]\nhosts = ["p1"]')
    assert inventory.resolve(["production"], path, {}).hosts == (Host("p1", 0),)


def test_an_unknown_environment_names_the_nearest(write):
    path = write('[staging]\nhosts = ["a"]')
    assert "did you mean staging?" in refusal(path, ["stagin"])
    assert "it has staging" in refusal(path, ["nowhere"])


def test_no_name_without_a_default_lists_the_names(write):
    assert "one of: staging" in refusal(write('[staging]\nhosts = ["a"]'), [])


def test_no_name_with_a_default_takes_it(write):
    path = write('default = "staging"\n[staging]\nhosts = ["a"]')
    assert inventory.resolve([], path, {}).environment.name == "staging"


def test_hosts_of_one_environment_may_be_named_themselves(write):
    path = write('[staging]\nhosts = ["a", "b", "c"]')
    assert inventory.resolve(["a", "c"], path, {}).hosts == (Host("a", 0), Host("c", 0))


def test_two_environments_at_once_are_refused(write):
    path = write('[staging]\nhosts = ["a"]\n[production]\nhosts = ["p"]')
    assert "one environment" in refusal(path, ["staging", "production"])
    assert "no such environment" in refusal(path, ["a", "p"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[staging\n", "is not valid TOML"),
        ('[staging]\nhosts = ["a"]\nservise = "x"', "did you mean `service`?"),
        ('[staging]\nhosts = ["a"]\n[staging.health]\ntimout = 3', "unknown key `health.timout`"),
        ('[staging]\nhosts = ["a"]\nkeep = "five"', "`keep`"),
        ('[staging]\nhosts = ["a"]\nkeep = 0', "`keep`"),
        ('[staging]\nhosts = ["a"]\nbatch = 0', "`batch` = 0 is neither"),
        ('[staging]\nhosts = ["a"]\nbatch = "101%"', "`batch` = '101%' is neither"),
        ('[staging]\nhosts = ["a"]\nbatch = "half"', 'nor a share like "50%"'),
        ("[staging]\nhosts = []", "`hosts` is empty"),
        ('[staging]\nservice = "x"', "hosts"),
        ('[staging]\nhosts = ["a;reboot"]', "not HOST or HOST:PORT"),
        ('[staging]\nhosts = ["a"]\npath = "/var/$(id)"', "`path`"),
        ('[staging]\nhosts = ["a"]\npath = "/var/../etc"', "`path`"),
        ('[staging]\nhosts = ["a"]\nuser = "root ALL"', "`user`"),
        ('[staging]\nhosts = ["a"]\nservice = "a b"', "`service`"),
        ('[staging]\nhosts = ["a"]\nrelease = "a/b"', "`release`"),
        ('[staging]\nhosts = ["a"]\nrelease_module = "Plausible.release"', "`release_module`"),
        ('[staging]\nhosts = ["a"]\nkey = "x"\nkey_file = "y"', "keep one"),
        ('[staging]\nhosts = ["a"]\nmigrate = "never"', "`migrate`"),
        ('[staging]\nhosts = ["a"]\n[staging.health]\ndeadline = 0', "health.deadline"),
        ("colour = 1", "unknown key `colour`"),
    ],
)
def test_malformed_files_are_refused_in_one_line(write, text: str, said: str):
    assert said in refusal(write(text), ["staging"])


def test_a_missing_file_is_named(tmp_path: Path):
    assert "does not exist" in refusal(tmp_path / "hosts.toml", ["staging"])


def test_the_key_never_shows_in_a_representation(write):
    path = write('[staging]\nhosts = ["a"]\nkey = "${KEY}"')
    target = inventory.resolve(["staging"], path, {"KEY": "very-secret-key"})
    assert "very-secret-key" not in repr(target)


A, B = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43}" for letter in "AB")


def pins(write, host_key: str, host: str, hosts: str = '["a", "b:2222"]') -> list[str]:
    path = write(f"[staging]\nhosts = {hosts}\nhost_key = {host_key}")
    target = inventory.resolve(["staging"], path, {})
    chosen = next(found for found in target.hosts if found.address == host)
    return [key.line for key in connection.pinned_keys(target.environment, chosen)]


def test_a_pin_without_a_name_is_for_every_host(write):
    assert pins(write, f'"{A}"', "a") == [A]
    assert pins(write, f'"{A}"', "b") == [A]


def test_pins_of_a_fleet_name_their_hosts(write):
    both = f'["a {A}", "b:2222 {B}"]'
    assert pins(write, both, "a") == [A]
    assert pins(write, both, "b") == [B]


def test_of_two_keys_of_one_kind_either_is_right_where_it_is_clear_whose_they_are(write):
    assert pins(write, f'["{A}", "{B}"]', "a", '["a"]') == [A, B]
    assert pins(write, f'["a {A}", "a {B}", "b:2222 {A}"]', "a") == [A, B]
    with pytest.raises(UsageProblem, match="name the host in front of each"):
        pins(write, f'["{A}", "{B}"]', "a")


def test_a_pin_that_is_no_key_is_refused(write):
    with pytest.raises(UsageProblem, match="is not a public key"):
        pins(write, '"ssh-ed25519 AAAA"', "a")


def test_a_host_that_no_pin_names_is_refused(write):
    with pytest.raises(UsageProblem, match="pins no key for b:2222"):
        pins(write, f'"a {A}"', "b")


TOGETHER = """
[staging]
hosts = ["web1", "web2"]
[production]
hosts = [{host}]
{more}
"""
PORT_OF_ITS_OWN = '[production.health]\nurl = "http://localhost:8001/api/health"'


@pytest.mark.parametrize("name", ["staging", "production", "web1"])
@pytest.mark.parametrize("host", ["web1", "web1:22"])
def test_two_environments_of_one_host_need_two_ports(write, name: str, host: str):
    text = refusal(write(TOGETHER.format(host=f'"{host}"', more="")), [name])
    assert "are both on web1" in text
    assert "and have the same health port 8000" in text
    assert "PORT in its environment file" in text


@pytest.mark.parametrize(
    ("host", "more"),
    [('"web3"', ""), ('"web1:2222"', ""), ('"web1"', PORT_OF_ITS_OWN)],
)
def test_other_hosts_or_other_ports_are_fine(write, host: str, more: str):
    path = write(TOGETHER.format(host=host, more=more))
    assert inventory.resolve(["production"], path, {}).environment.name == "production"


def test_a_host_that_only_the_other_half_of_a_fleet_shares_does_not_matter(write):
    path = write(TOGETHER.format(host='"web1"', more=""))
    assert inventory.resolve(["web2"], path, {}).hosts[0].address == "web2"


@pytest.mark.parametrize("key", ["service", "path", "backups"])
def test_two_environments_of_one_host_share_no_place_and_no_unit(write, key: str):
    value = {"service": "qusto-staging", "path": "/var/www/qusto/staging"}.get(
        key, "/var/www/qusto/backups/staging"
    )
    more = f'{key} = "{value}"\n{PORT_OF_ITS_OWN}'
    text = refusal(write(TOGETHER.format(host='"web1"', more=more)), ["staging"])
    assert f"have the same `{key}` = {value}" in text


@pytest.mark.parametrize("url", ["", "localhost:8000", "http://localhost:port/", "ftp://x/"])
def test_a_health_url_without_a_port_that_is_known_is_refused(write, url: str):
    path = write(f'[staging]\nhosts = ["a"]\n[staging.health]\nurl = "{url}"')
    assert "`health.url`" in refusal(path, ["staging"])

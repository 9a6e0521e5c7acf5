"""`backup_database` on a real host: the dump comes before the outage, or there is no outage."""

import json

from tests.system.artifacts import Builder
from tests.system.site import SECRET, Site, assert_serves, current, schema

DUMPS = "/var/www/qusto/backups/staging/database"
# In place of pg_dump: reads the application's own data, with a value of its environment file.
DUMPING = 'cat /var/lib/qusto-staging/data/*/schema; echo "$SECRET_KEY_BASE"'


def dumped(site: Site) -> list[str]:
    return site.hosts[0].run(f"ls -A {DUMPS}").stdout.split()


def test_the_database_is_dumped_before_migrations_and_only_then(site: Site, build: Builder):
    host = site.hosts[0]
    site.write(backup_database=json.dumps(DUMPING))
    site.setup()
    first = site.deploy(build("1.0.0"), "--skip-migrations")
    assert (first["dump"], dumped(site)) == (None, [])
    before = schema(host)
    second = site.deploy(build("1.1.0", extra_migrations=1))
    path = f"{DUMPS}/before_{second['release']}.dump"
    assert second["dump"]["path"] == path
    assert host.run(f"stat -c '%U %a %s' {path}").stdout.split() == [
        *("qusto-staging", "600", str(second["dump"]["bytes"])),
    ]
    assert host.run(f"cat {path}").stdout == f"{before}{SECRET}\n"
    assert host.run(f"setpriv --reuid=deploy --clear-groups cat {path}", check=False).returncode
    assert site.deploy(build("1.2.0", extra_migrations=1))["dump"] is None
    assert dumped(site) == [path.rpartition("/")[2]]
    listed = site.done("releases").out
    assert "database before it" in listed
    back = site.done("rollback", f"--to={first['release']}")
    assert path in back.out
    assert SECRET not in back.text + listed


def test_without_a_dump_nothing_is_stopped(serving: Site, build: Builder):
    host = serving.hosts[0]
    before, invocation = current(host), "systemctl show -p InvocationID --value qusto-staging"
    process, tables = host.run(invocation).stdout, schema(host)
    artifact = f"--artifact={build('1.1.0', extra_migrations=1)}"
    for command, said in (
        ("echo half; echo 'no route to the database' >&2; exit 3", "no route to the database"),
        ("true", "printed nothing"),
    ):
        serving.write(backup_database=json.dumps(command))
        serving.setup()
        ended = serving.fab("deploy", artifact)
        assert ended.code == 10, ended.text
        assert "the database could not be dumped" in ended.err
        assert said in ended.err
        assert dumped(serving) == []
    assert (host.run(invocation).stdout, schema(host)) == (process, tables)
    assert_serves(host, before, "1.0.0")
    serving.write()
    assert "dump.service (removed)" in serving.setup().out
    unit = "/etc/systemd/system/qusto-staging-dump.service"
    assert not host.exists(unit)
    assert serving.deploy(build("1.1.0", extra_migrations=1))["migrations"]

"""What `fab doctor` says of the ways in: rsync's own login, and what ssh's configuration asks."""

from collections.abc import Sequence

from pipeline.release import fleet as fleets
from pipeline.release.fleet import Fleet, Member
from pipeline.release.preflight import Finding
from pipeline.release.survey import Survey
from pipeline.remote import sshconfig, transfer


def examine(fleet: Fleet, found: Sequence[Survey]) -> list[Finding]:
    """Log in to every host as an upload does; changes nothing."""

    def one(member: Member, survey: Survey) -> list[Finding]:
        host = str(member)
        findings = []
        if transfer.can_rsync("rsync" in survey.have):
            problem = _probed(fleet, member)
            findings.append(
                Finding(host, "note", problem, "releases go as a tarball over one connection")
                if problem
                else Finding(host, "ok", "rsync gets in and runs")
            )
        if ignored := sshconfig.route(fleet.environment, member.host).ignored:
            text = f"not followed of ssh's configuration: {'; '.join(ignored)}"
            findings.append(Finding(host, "note", text))
        return findings

    return [each for per_host in fleets.each_surveyed(fleet, found, one) for each in per_host]


def _probed(fleet: Fleet, member: Member) -> str:
    try:
        return transfer.probe(member.connection, fleet.environment, member.host)
    except OSError as error:
        return f"rsync cannot be tried from here: {error}"

"""The `throughgate` command and its groups.

Exit codes everywhere: 0 yes, 1 refused or not verified, 2 usage, 3 could not tell.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.adapters_commands import adapters
from gateway.cli.alerts_commands import alerts
from gateway.cli.approvals_commands import approvals
from gateway.cli.audit_commands import audit
from gateway.cli.deliveries_commands import deliveries
from gateway.cli.directory_commands import agencies, recipients
from gateway.cli.duties_commands import duties
from gateway.cli.exits import reported
from gateway.cli.keys_commands import keys
from gateway.cli.log_commands import log
from gateway.cli.migrate_commands import migrate
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from gateway.cli.person_commands import decisions, person
from gateway.cli.policy_commands import policy
from gateway.cli.retention_commands import retention
from gateway.cli.staff_commands import staff
from gateway.cli.verify_commands import verify
from gateway.cli.witness_commands import witness
from gateway.roles import Role

app = typer.Typer(
    name="throughgate",
    help="Secure messaging and alert gateway for public protection.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(verify, name="verify")
app.add_typer(agencies, name="agencies")
app.add_typer(recipients, name="recipients")
app.add_typer(log, name="log")
app.add_typer(audit, name="audit")
app.add_typer(witness, name="witness")
app.add_typer(keys, name="keys")
app.add_typer(alerts, name="alerts")
app.add_typer(deliveries, name="deliveries")
app.add_typer(duties, name="duties")
app.add_typer(person, name="person")
app.add_typer(decisions, name="decisions")
app.add_typer(approvals, name="approvals")
app.add_typer(staff, name="staff")
app.add_typer(policy, name="policy")
app.add_typer(adapters, name="adapters")
app.add_typer(migrate, name="migrate")
app.add_typer(retention, name="retention")


@app.command()
@reported
def demo(
    keep: Annotated[Path | None, typer.Option(help="Keep the instance in this folder.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Leave everything running.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Save the closing tables as SVG.")] = None,
) -> int:
    """Run the whole story on real loopback servers and show who was told what, and why."""
    from gateway.demo.story import run

    return run(keep=keep, serve=serve, picture=picture)


@app.command()
@reported
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make the instance in.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the instance: the origin line of its log, for ever.")
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(help="Keep the database there: postgresql://USER@HOST:PORT/DATABASE"),
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password for it, closed to others.")
    ] = None,
) -> int:
    """Make an instance: configuration, keys, database; prints what to do next."""
    from gateway.cli.instance import make

    return make(folder, name, postgres=postgres, password=password_file)


@app.command()
@reported
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes on this machine.")] = 1,
    role: Annotated[
        Role, typer.Option(help="What to do here, of an instance on PostgreSQL: all, or one half.")
    ] = Role.ALL,
    slot: Annotated[int, typer.Option(hidden=True)] = -1,
    slots: Annotated[int, typer.Option(hidden=True)] = 1,
    descriptor: Annotated[int, typer.Option(hidden=True)] = -1,
    rests: Annotated[bool, typer.Option("--rests", hidden=True)] = False,
) -> int:
    """Serve until told to stop; SIGHUP replaces the workers one by one, without a gap."""
    from gateway.cli.instance import be_worker, serve_from
    from gateway.serving import Place

    if descriptor < 0:
        return serve_from(config, workers=workers, role=role)
    place = Place(slot=slot, slots=slots, role=role, rests=rests)
    return be_worker(config, place, descriptor)


@app.command()
@reported
def doctor(
    url: Annotated[
        str | None, typer.Option(help="The serving gateway's address: its clock is compared.")
    ] = None,
    network: Annotated[bool, typer.Option("--network", help="Greet the mail relays too.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Check the whole log.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List what is well, too.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Examine an instance and say what to do; beside a serving gateway, or on a stopped one.

    Exit 1 if something is wrong, 3 if something could not be told."""
    from gateway.cli.doctor import doctor as examine

    return examine(config, url=url, network=network, full=full, every=every, as_json=as_json)


@app.command()
@reported
def backup(
    out: Annotated[Path, typer.Option(help="File to write; must not be there yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Copy the embedded database, beside a serving gateway, and check the copy's log."""
    from gateway.cli.backup import backup as copy

    return copy(config, out)


@app.command()
@reported
def post(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One event file each.")],
    agency: Annotated[str, typer.Option("--as", help="Name or URN of the posting agency.")],
    key: Annotated[Path, typer.Option(help="The agency's private key file (whsk_ or whsec_).")],
    url: Annotated[
        str, typer.Option(help="The gateway's address, for example http://127.0.0.1:8080")
    ],
    adapter: Annotated[str | None, typer.Option(help="The agency format the files are in.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificate authority to trust.")] = None,
) -> int:
    """Sign and post events. Exit 0 only if every one was accepted."""
    from gateway.cli.post import post_files

    return post_files(files, agency=agency, key=key, url=url, adapter=adapter, ca_file=ca_file)


@app.command("open")
@reported
def open_alert(
    file: Annotated[Path, typer.Argument(help="A webhook body, a token, a mail or a CMS file.")],
    key: Annotated[Path, typer.Option(help="The recipient's private key.")],
    form: Annotated[
        str | None,
        typer.Option(help="Write this form of it instead, as visor:xml; - for the only one."),
    ] = None,
    accept_cbc: Annotated[
        bool, typer.Option("--accept-cbc", help="Open mail under the weaker cipher too.")
    ] = False,
    signed_by: Annotated[
        Path | None, typer.Option(help="The gateway's mail certificate: mail must be its.")
    ] = None,
) -> int:
    """Open an alert with the recipient's own key; the plaintext goes to standard output."""
    from gateway.cli.open import open_file

    return open_file(file, key, form=form, accept_cbc=accept_cbc, signed_by=signed_by)


@app.command()
@reported
def stats(
    year: Annotated[str, typer.Option(help="Reporting year from 1 April, for example 2021-22.")],
    area: Annotated[
        str | None, typer.Option(help="Area to count, as stated in location.home_area.")
    ] = None,
    output: Annotated[str, typer.Option("--format", help="table or csv")] = "table",
    publish: Annotated[bool, typer.Option("--publish", help="Suppress small numbers.")] = False,
    suppress_below: Annotated[
        int, typer.Option(min=2, max=100, help="With --publish: hide counts from 1 to below this.")
    ] = 5,
    population: Annotated[
        int | None, typer.Option(min=1, help="Aged 10 and over; without it no rates.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Cross-foot printed tables in this CSV file instead.")
    ] = None,
    source: Annotated[
        str, typer.Option("--from", help="events; log is refused (DPA 2018 s.62(4)).")
    ] = "events",
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    annual_return: Annotated[
        Path | None,
        typer.Option("--return", help="Also write the annual return: FILE.csv or FILE.xlsx."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Count the annual MAPPA tables from the event store, or check printed ones."""
    from gateway.cli import stats as command

    if check is not None:
        return command.check(check, year)
    wanted = command.Wanted(
        year=year,
        area=area,
        output="json" if as_json else output,
        publish=publish,
        suppress_below=suppress_below,
        population=population,
        source=source,
        annual_return=annual_return,
    )
    return command.report(config, wanted)

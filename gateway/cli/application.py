"""The `throughgate` command and its groups.

Exit codes everywhere: 0 yes, 1 refused or not verified, 2 usage, 3 could not tell.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.adapters_commands import adapters
from gateway.cli.duties_commands import duties
from gateway.cli.exits import reported
from gateway.cli.person_commands import decisions, person
from gateway.cli.policy_commands import policy

app = typer.Typer(
    name="throughgate",
    help="Secure messaging and alert gateway for public protection.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
verify = typer.Typer(
    help="Check things without an instance. Prints the verdict and its reason, never content.",
    no_args_is_help=True,
)
agencies = typer.Typer(help="Agencies that may post events.", no_args_is_help=True)
recipients = typer.Typer(help="Recipients that may be told.", no_args_is_help=True)
log = typer.Typer(help="The disclosure log of an instance.", no_args_is_help=True)
keys = typer.Typer(help="Keys for agencies and recipients.", no_args_is_help=True)
app.add_typer(verify, name="verify")
app.add_typer(agencies, name="agencies")
app.add_typer(recipients, name="recipients")
app.add_typer(log, name="log")
app.add_typer(keys, name="keys")
app.add_typer(duties, name="duties")
app.add_typer(person, name="person")
app.add_typer(decisions, name="decisions")
app.add_typer(policy, name="policy")
app.add_typer(adapters, name="adapters")

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", envvar="THROUGHGATE_CONFIG", help="Configuration file of the instance."
    ),
]
_DEFAULT_CONFIG = Path("throughgate.toml")


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
) -> int:
    """Make an instance: configuration, keys, database; prints what to do next."""
    from gateway.cli.instance import make

    return make(folder, name)


@app.command()
@reported
def serve(
    config: ConfigOption = _DEFAULT_CONFIG,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes sharing the store.")] = 1,
    slot: Annotated[int, typer.Option(hidden=True)] = -1,
    slots: Annotated[int, typer.Option(hidden=True)] = 1,
    descriptor: Annotated[int, typer.Option(hidden=True)] = -1,
) -> int:
    """Serve until told to stop."""
    from gateway.cli.instance import serve_from

    return serve_from(config, workers=workers, slot=slot, slots=slots, descriptor=descriptor)


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
) -> int:
    """Open an alert with the recipient's own key; the plaintext goes to standard output."""
    from gateway.cli.open import open_file

    return open_file(file, key, form=form)


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
    config: ConfigOption = _DEFAULT_CONFIG,
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


@agencies.command("add")
@reported
def add_agency(
    name: str,
    urn: Annotated[str, typer.Option(help="CloudEvents source of everything it posts.")],
    public_key: Annotated[Path | None, typer.Option(help="File with its whpk_ key.")] = None,
    new_key: Annotated[
        Path | None, typer.Option(help="Make a key pair; write the private here.")
    ] = None,
    organisation_class: Annotated[
        str, typer.Option("--class", help="Its class in policies/organisations.toml.")
    ] = "other",
    kinds: Annotated[str, typer.Option(help="Patterns of kinds it may post, by spaces.")] = "*",
    config: ConfigOption = _DEFAULT_CONFIG,
) -> int:
    """Register an agency with its public key, or with a key pair made for it."""
    from gateway.cli.directory import add

    return add(
        config, name, urn, public_key, new_key, organisation_class=organisation_class, kinds=kinds
    )


@recipients.command("import")
@reported
def import_recipients(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml|csv")],
    config: ConfigOption = _DEFAULT_CONFIG,
) -> int:
    """Add or replace recipients from a file: all of it, or none."""
    from gateway.cli.directory import import_file

    return import_file(config, file)


@keys.command("new")
@reported
def new_key(
    form: Annotated[str, typer.Argument(help="hpke, jwe, signing, or secret")],
    file: Annotated[Path, typer.Argument(help="Where to write the private key (mode 0600).")],
) -> int:
    """Make a key pair (or a shared secret); prints what to give to the gateway."""
    from gateway.cli.keys import make

    return make(form, file)


@keys.command("show")
@reported
def show_keys(config: ConfigOption = _DEFAULT_CONFIG) -> int:
    """Print the gateway's own public keys: what recipients and auditors need."""
    from gateway.cli.keys import show

    return show(config)


@log.command("checkpoint")
@reported
def log_checkpoint(config: ConfigOption = _DEFAULT_CONFIG) -> int:
    """Print the newest signed checkpoint."""
    from gateway.cli.log import checkpoint

    return checkpoint(config)


@log.command("prove")
@reported
def log_prove(
    index: Annotated[int, typer.Argument(min=0, help="Index of the entry.")],
    config: ConfigOption = _DEFAULT_CONFIG,
) -> int:
    """Print a tlog-proof that an entry is in the newest checkpoint."""
    from gateway.cli.log import prove

    return prove(config, index)


@log.command("justification")
@reported
def log_justification(
    index: Annotated[int, typer.Argument(min=0, help="Index of the consultation's entry.")],
    by: Annotated[str, typer.Option(help="Role or staff id of who asks; it enters the log.")],
    config: ConfigOption = _DEFAULT_CONFIG,
) -> int:
    """Print why a person's record was read, in its reader's words. Asking is logged."""
    from gateway.cli.log import justification

    return justification(config, index, by=by)


@log.command("verify")
@reported
def log_verify(config: ConfigOption = _DEFAULT_CONFIG) -> int:
    """Rebuild the whole tree of this instance and check every checkpoint and alert proof."""
    from gateway.cli.log import verify_instance

    return verify_instance(config)


@verify.command("event")
@reported
def verify_event(
    file: Path,
    adapter: Annotated[str | None, typer.Option(help="The agency format the file is in.")] = None,
    source: Annotated[
        str, typer.Option(help="Agency URN to put on translated events.")
    ] = "urn:throughgate:agency:unknown",
    as_json: Annotated[bool, typer.Option("--json", help="Report the verdict as JSON.")] = False,
) -> int:
    """Would receive accept this file? Prints the canonical events, one a line."""
    from gateway.cli.verify import event

    return event(file, adapter=adapter, source=source, as_json=as_json)


@verify.command("webhook")
@reported
def verify_webhook(
    body: Path,
    headers: Annotated[Path, typer.Option(help="JSON object of the request's headers.")],
    secret: Annotated[str | None, typer.Option(help="whsec_...")] = None,
    public_key: Annotated[str | None, typer.Option(help="whpk_...")] = None,
    now: Annotated[int | None, typer.Option(help="Seconds since 1970 to judge the age by.")] = None,
) -> int:
    """Check a Standard Webhooks signature over a body."""
    from gateway.cli.verify import webhook

    return webhook(body, headers, secret=secret, public_key=public_key, now=now)


@verify.command("inclusion")
@reported
def verify_inclusion(file: Path) -> int:
    """Check an inclusion proof: {leafIdx, treeSize, leafHash, root, proof}."""
    from gateway.cli.verify_log import inclusion

    return inclusion(file)


@verify.command("consistency")
@reported
def verify_consistency(file: Path) -> int:
    """Check a consistency proof: {size1, size2, root1, root2, proof}."""
    from gateway.cli.verify_log import consistency

    return consistency(file)


@verify.command("checkpoint")
@reported
def verify_checkpoint(
    note: Path, key: Annotated[str, typer.Option(help="vkey of the log, or a file holding it.")]
) -> int:
    """Check a signed checkpoint against the log's key."""
    from gateway.cli.verify_log import checkpoint

    return checkpoint(note, key)


@verify.command("log")
@reported
def verify_whole_log(
    target: Annotated[str, typer.Argument(metavar="DIR|URL")],
    key: Annotated[
        str | None, typer.Option(help="vkey you trust, or a file; else the one the log claims.")
    ] = None,
    held: Annotated[
        Path | None,
        typer.Option(help="A checkpoint you kept: finds a log cut back or rewritten since."),
    ] = None,
) -> int:
    """Rebuild the whole tree; every checkpoint signed and consistent with the next."""
    from gateway.cli.verify_log import log as check

    return check(target, key, held=held)

"""The command group `audit`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

audit = typer.Typer(
    help="Ask the disclosure log. Every question is itself logged, before it is answered.",
    no_args_is_help=True,
)

_Who = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="A reference per_..., KIND=VALUE, or an identifier; - reads standard input.",
    ),
]
_WhoOption = Annotated[
    str | None,
    typer.Option("--person", help="A reference per_..., KIND=VALUE; - reads standard input."),
]
_Why = Annotated[
    str, typer.Option("--why", help="Why you ask; kept sealed with the person's record.")
]
_Purpose = Annotated[
    str,
    typer.Option(
        "--purpose",
        help="lawfulness, self-monitoring, integrity-and-security or criminal-proceedings.",
    ),
]
_Controller = Annotated[
    str | None,
    typer.Option(metavar="AGENCY", help="Show what this controller sent or received, no more."),
]
_After = Annotated[str | None, typer.Option("--after", help="Go on where a page ended.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Print as CSV, every column.")]
_Pdf = Annotated[
    Path | None, typer.Option("--pdf", metavar="FILE", help="Write an evidence pack with proofs.")
]
_Zip = Annotated[
    Path | None,
    typer.Option("--zip", metavar="FILE", help="Write all of it for whoever is to check it."),
]
_Since = Annotated[str | None, typer.Option("--since", help="From this day, as 2026-11-21.")]
_Until = Annotated[str | None, typer.Option("--until", help="Up to the end of the day before.")]
_Recipient = Annotated[str, typer.Argument(metavar="RECIPIENT", help="Id in the directory.")]


@audit.command("told")
@reported
def told(
    recipient: _Recipient,
    who: _Who,
    by: ByOption,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """What did a recipient learn about a person, when, how and under which rule?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    return command.ask(config, "told", asker, form, who=who, recipient=recipient, after=after)


@audit.command("who-knows")
@reported
def who_knows(
    who: _Who,
    by: ByOption,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Who was told about a person, of what, and what was put right since?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    return command.ask(config, "who-knows", asker, form, who=who, after=after)


@audit.command("refused")
@reported
def refused(
    by: ByOption,
    who: _WhoOption = None,
    event: Annotated[str | None, typer.Option(help="Reference of an event: evt_...")] = None,
    recipient: Annotated[str | None, typer.Option(help="Id in the directory.")] = None,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Why was somebody not told about a person, or of an event?"""
    from gateway.cli import audit as command

    if who is None and event is None:
        raise command.Trouble("give --person or --event")
    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    of = {"event": event, "recipient": recipient, "after": after}
    return command.ask(config, "refused", asker, form, who=who, **of)


@audit.command("rule")
@reported
def rule(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Id of a rule of the rulebook.")],
    by: ByOption,
    since: _Since = None,
    until: _Until = None,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """What left on the strength of a rule between two days, one by one?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    begin, end = command.day(since, "--since"), command.day(until, "--until")
    return command.ask(config, "rule", asker, form, rule=rule, since=begin, until=end, after=after)


@audit.command("merge")
@reported
def merge(
    who: _Who,
    by: ByOption,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """What did a wrong link or merge touch, and did the recalls arrive?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    return command.ask(config, "merge", asker, form, who=who)


@audit.command("looked")
@reported
def looked(
    by: ByOption,
    who: _WhoOption = None,
    staff: Annotated[str | None, typer.Option(help="Role or staff id of who looked.")] = None,
    why: _Why = "",
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Who looked at a person, or what did somebody look at?"""
    from gateway.cli import audit as command

    if who is None and staff is None:
        raise command.Trouble("give --person or --staff")
    asker = command.Asker(by=by, why=why, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    return command.ask(config, "looked", asker, form, who=who, staff=staff, after=after)


@audit.command("genuine")
@reported
def genuine(
    by: ByOption,
    alert: Annotated[
        str | None, typer.Argument(metavar="ALERT", help="Its id, or the 12 characters it ends in.")
    ] = None,
    entry: Annotated[
        Path | None, typer.Option(help="The log entry that came with it, in a file.")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="The proof that came with it, in a file.")
    ] = None,
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Is an alert genuine, logged, witnessed, and still in force? Exit 0 only if it stands."""
    from gateway.cli import audit as command

    if (alert is None) == (entry is None):
        raise command.Trouble("give an alert, or --entry")
    asker = command.Asker(by=by, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    return command.ask(config, "genuine", asker, form, alert=alert, **command.held(entry, proof))


@audit.command("lapsed")
@reported
def lapsed(
    by: ByOption,
    since: _Since = None,
    until: _Until = None,
    purpose: _Purpose = "lawfulness",
    controller: _Controller = None,
    after: _After = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Which disclosures rest on an agreement or policy document that had lapsed?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    begin, end = command.day(since, "--since"), command.day(until, "--until")
    return command.ask(config, "lapsed", asker, form, since=begin, until=end, after=after)


@audit.command("breach")
@reported
def breach(
    by: ByOption,
    since: Annotated[str, typer.Option(help="From which day it may have been in wrong hands.")],
    key: Annotated[str | None, typer.Option(help="Id of a recipient's key.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Id of an endpoint.")] = None,
    agency: Annotated[str | None, typer.Option(help="Name of a posting agency.")] = None,
    discovered: Annotated[
        str | None, typer.Option(help="On which day it became known; else now.")
    ] = None,
    purpose: _Purpose = "integrity-and-security",
    controller: _Controller = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """What did a compromised key, endpoint or agency expose, whose, and since when?"""
    from gateway.cli import audit as command

    asker = command.Asker(by=by, purpose=purpose, controller=controller)
    form = command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json)
    of = {"key": key, "endpoint": endpoint, "agency": agency}
    return command.breach(config, asker, form, of=of, since=since, discovered=discovered)


@audit.command("ropa")
@reported
def ropa(
    controller: Annotated[
        str | None, typer.Option(help="Class of organisation, as prison; else all.")
    ] = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print the records of processing (DPA 2018 s.61, Article 30), from the rulebook in force."""
    from gateway import clock
    from gateway.audit.ropa import ropa as make
    from gateway.cli import audit as command

    today = clock.day(clock.now())
    return command.standing_schedule(
        config,
        command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json),
        lambda rulebook: make(rulebook, today=today, controller=controller),
    )


@audit.command("agreement")
@reported
def agreement(
    sender: Annotated[str | None, typer.Option(help="Class of the sending organisation.")] = None,
    role: Annotated[str | None, typer.Option(help="Role of the recipient.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only what this agreement covers.")] = None,
    csv: _Csv = False,
    pdf: _Pdf = None,
    packed: _Zip = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print the schedule of an information-sharing agreement, from the rulebook in force."""
    from gateway import clock
    from gateway.audit.agreement import agreement as make
    from gateway.cli import audit as command

    today = clock.day(clock.now())
    return command.standing_schedule(
        config,
        command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json),
        lambda rulebook: make(rulebook, today=today, sender=sender, role=role, reference=reference),
    )

"""The closing tables of the demonstration, from the log and the recipients' own reading."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from gateway.demo.cast import Reader
from gateway.demo.checks import Aftermath
from gateway.demo.views import own_views
from gateway.model.groups import PROVENANCE

_FORMS = {"sealed": "sealed", "notice": "collect notice", "pointer": "pointer"}


def show(console: Console, seen: Aftermath, readers: Mapping[str, Reader]) -> None:
    """Print every table."""
    console.print(_told(seen, readers))
    console.print(_refused(seen, readers))
    console.print(
        Panel("\n".join(seen.texts), title="The text messages, whole: pointers", expand=False)
    )
    console.print(_opened(seen))
    console.print("The same facts in their readers' own forms, out of the same sealed alerts:")
    console.print(own_views(seen))
    console.print(Panel(seen.checkpoint.rstrip(), title="Checkpoint of the log", expand=False))
    console.print(_held(seen))


def _told(seen: Aftermath, readers: Mapping[str, Reader]) -> Table:
    """Show each recipient and channel once, with every event that was told alike."""
    table = Table(title="Who was told", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("recipient, role", no_wrap=True)
    for heading in ("channel", "of", "legal basis", "received", "withheld and why"):
        table.add_column(heading, overflow="fold")
    told: dict[tuple[str, ...], list[str]] = {}
    for finding in seen.findings:
        entry = finding.entry
        row = (
            f"{entry['recipient']}\n[dim]{readers[entry['recipient']].recipient.role}[/]",
            f"{entry['channel']}\n[dim]{_FORMS[entry['form']]}[/]",
            _bases(entry),
            _received(entry),
            _withheld(entry),
        )
        told.setdefault(row, []).append(_said(seen.collections[entry["event"]], entry))
    for (who, channel, basis, received, withheld), kinds in told.items():
        table.add_row(who, channel, "\n".join(kinds), basis, received, withheld)
    table.caption = _citations(seen)
    table.caption_justify = "left"
    return table


def _said(kind: str, entry: Mapping[str, Any]) -> str:
    message = str(entry["message"])
    return kind if message == "NOTIFY" else f"{kind} [dim]{message.lower()}[/]"


def _citations(seen: Aftermath) -> str:
    """Spell the bases out, as the recipients' own alerts cite them."""
    cited = {
        f"{grant['legal_basis_id']}: {grant['citation']}"
        for opened in seen.opened
        for grant in opened.alert["grants"]
    }
    regimes = "P3: DPA 2018 Part 3. GDPR: UK GDPR and DPA Part 2."
    reasons = (
        "no-need: no rule gives this role any of the group. minimised: only some of its members."
    )
    return "\n".join([*sorted(cited), regimes, reasons])


def _bases(entry: Mapping[str, Any]) -> str:
    return "\n".join(sorted({f"{grant['basis']} ({grant['regime']})" for grant in entry["grants"]}))


def _received(entry: Mapping[str, Any]) -> str:
    """Name what the recipient may read; over a notice or pointer it waits to be collected."""
    if entry["form"] == "pointer":
        return "[dim]a reference only[/]"
    groups: dict[str, list[str]] = {}
    for grant in entry["grants"]:
        for path in grant["members"]:
            group, _, member = path.partition(".")
            groups.setdefault(group, []).append(member)
    names = ", ".join(sorted(groups))
    return f"[dim]on collection:[/] {names}" if entry["form"] == "notice" else names


def _withheld(entry: Mapping[str, Any]) -> str:
    reasons: dict[str, list[str]] = {}
    for one in entry["withheld"]:
        reasons.setdefault(str(one["code"]), []).append(str(one["group"]))
    return "\n".join(f"{', '.join(groups)}: [dim]{code}[/]" for code, groups in reasons.items())


def _refused(seen: Aftermath, readers: Mapping[str, Reader]) -> Table:
    """Show each reason for silence once, with everyone it kept from hearing of the event."""
    table = Table(title="Nobody was told of", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("event", "recipients", "every reason"):
        table.add_column(heading, overflow="fold")
    silent: dict[tuple[str, str], list[str]] = {}
    for refusal in seen.refusals:
        reader = readers.get(str(refusal["recipient"]))
        codes = ", ".join(dict.fromkeys(str(reason["code"]) for reason in refusal["reasons"]))
        whom = silent.setdefault((seen.collections[refusal["event"]], codes), [])
        name = reader.recipient.id if reader else "anybody"
        whom += [] if name in whom else [name]
    for (event, codes), whom in silent.items():
        table.add_row(event, ", ".join(whom), codes)
    return table


def _opened(seen: Aftermath) -> Panel:
    """Show one alert as its reader sees it; the person is synthetic, so it may be shown."""
    one = next(opened for opened in seen.opened if opened.recipient == "cmht")
    lines = [
        f"[bold]{name}[/]  " + "; ".join(_stated(members))
        for name, members in one.alert["facts"].items()
    ]
    title = "One alert, opened with the community mental health team's own key (synthetic person)"
    return Panel("\n".join(lines), title=title)


def _stated(members: Mapping[str, Any]) -> list[str]:
    """Name each fact of a group; where it comes from is in the alert, not in this picture."""
    facts = {name: value for name, value in members.items() if name not in PROVENANCE}
    return [f"{name} [dim]is[/] {_plain(value)}" for name, value in facts.items()]


def _plain(value: object) -> str:
    """Return a value as a reader would say it."""
    if isinstance(value, Mapping):
        return ", ".join(_plain(one) for one in value.values())
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _held(seen: Aftermath) -> Table:
    table = Table(title="Checked", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    table.add_column("claim")
    for check in seen.checks:
        table.add_row("[green]held[/]" if check.held else "[bold red]BROKEN[/]", check.claim)
    return table

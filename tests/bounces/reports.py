"""Delivery status notifications to read, in the shape relays send them."""

from tests.channels.parcels import ALERT

OTHER = "alt_0193f2b0-7b1e-7c3e-9a51-3c2f2a9d1e02"
PERSONAL = "arthur.sample@desk.example.org"

# The shapes of two widespread mail systems.
GMAIL = f"""\
Delivered-To: bounces+{ALERT}@gateway.example.org
Received: by 192.0.2.1; Fri, 20 Nov 2026 09:31:00 +0000
Return-Path: <>
Content-Type: multipart/report; boundary="000000000000a1"; report-type=delivery-status
To: bounces+{ALERT}@gateway.example.org
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)

--000000000000a1
Content-Type: multipart/related; boundary="000000000000a2"

--000000000000a2
Content-Type: multipart/alternative; boundary="000000000000a3"

--000000000000a3
Content-Type: text/plain; charset="UTF-8"

** Address not found **
--000000000000a3--
--000000000000a2--
--000000000000a1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Arrival-Date: Fri, 20 Nov 2026 01:30:30 -0800 (PST)
X-Original-Message-ID: <{ALERT}@gateway.example.org>

Final-Recipient: rfc822; {PERSONAL}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please
 550 5.1.1 try double-checking the recipient's email address.
Last-Attempt-Date: Fri, 20 Nov 2026 01:30:30 -0800 (PST)

--000000000000a1
Content-Type: message/rfc822

Message-ID: <{ALERT}@gateway.example.org>

--000000000000a1--
"""
EXIM = f"""\
Return-path: <>
Envelope-to: bounces+{ALERT}@gateway.example.org
X-Failed-Recipients: {PERSONAL}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mail.example.org>
To: bounces+{ALERT}@gateway.example.org
Content-Type: multipart/report; report-type=delivery-status; boundary=1795292341-eximdsn-1804289383
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender

--1795292341-eximdsn-1804289383
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

--1795292341-eximdsn-1804289383
Content-type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Action: failed
Final-Recipient: rfc822;{PERSONAL}
Status: 5.0.0
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 no such user

--1795292341-eximdsn-1804289383
Content-type: text/rfc822-headers

Message-Id: <{ALERT}@gateway.example.org>

--1795292341-eximdsn-1804289383--
"""


def a_group(action: str = "failed", status: str = "5.1.1") -> str:
    return (
        f"Final-Recipient: rfc822; {PERSONAL}\n"
        f"Original-Recipient: rfc822;{PERSONAL}\n"
        f"Action: {action}\n"
        f"Status: {status}\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{PERSONAL}> is Arthur Sample no more\n"
    )


def a_report(
    *groups: str,
    envelope_id: str | None = ALERT,
    to: str = f"bounces+{ALERT}@gateway.example.org",
    message_id: str | None = f"<{ALERT}@gateway.example.org>",
    returned_type: str = "text/rfc822-headers",
    return_path: str = "<>",
    report_type: str = "delivery-status",
    status_head: str = "Content-Type: message/delivery-status\n",
    end: str = "\n",
) -> bytes:
    """Return a report; None leaves a way of naming the alert out."""
    envelope = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    returned = f"Message-ID: {message_id}\nSubject: hello\n" if message_id else "Subject: hello\n"
    text = f"""\
Return-Path: {return_path}
Delivered-To: {to}
From: Mail Delivery System <MAILER-DAEMON@mail.example.org>
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={report_type};
\tboundary="A1/mail.example.org"

This is a MIME-encapsulated message.

--A1/mail.example.org
Content-Type: text/plain; charset=utf-8

I'm sorry, {PERSONAL}.

--A1/mail.example.org
{status_head}
Reporting-MTA: dns; mail.example.org
{envelope}
{(chr(10)).join(groups or (a_group(),))}
--A1/mail.example.org
Content-Type: {returned_type}

{returned}
--A1/mail.example.org--
"""
    return text.replace("\n", end).encode()


def a_mail(*fields: str) -> bytes:
    """Return a plain message with these header fields."""
    return "\n".join(["Subject: hello", *fields, "", "I am out of the office.", ""]).encode()

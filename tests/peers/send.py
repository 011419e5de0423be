"""Sends the messages of a job with python-hl7 and tells how it understood each answer.

    send.py client|asyncio|mllp_send < job.json

A job: {"host", "port", "charset", "ca", "identity", "messages", "reconnect"}; bytes stand in JSON as ISO-8859-1 text. The
connection is opened anew after "reconnect" messages. Each line of output is one answer: what was put on the wire,
MSA-1, MSA-2, and MSH-6 of the answer.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile

import hl7
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection


def tell(sent, answer):
    msa = answer.segment("MSA")
    told = {"sent": sent.decode("iso-8859-1"), "code": str(msa[1]), "control_id": str(msa[2]),
            "facility": str(answer.segment("MSH")[6])}
    print(json.dumps(told), flush=True)


def parts(job):
    messages = [text.encode("iso-8859-1") for text in job["messages"]]
    return [part for part in (messages[:job["reconnect"]], messages[job["reconnect"]:]) if part]


def client(job):
    """The blocking client: text in the charset of the link."""
    for part in parts(job):
        with MLLPClient(job["host"], job["port"], encoding=job["charset"]) as peer:
            for message in part:
                answer = peer.send_message(message.decode(job["charset"]))
                tell(message, hl7.parse(answer.strip(b"\x0b\x1c\r").decode(job["charset"])))


async def streams(job):
    """The asyncio streams: parsed messages, with TLS where the job says so."""
    context = None
    if job["ca"]:
        context = ssl.create_default_context(cafile=job["ca"])
        context.load_cert_chain(job["identity"])
    for part in parts(job):
        reader, writer = await open_hl7_connection(
            job["host"], job["port"], ssl=context, encoding=job["charset"], limit=1 << 20)
        for message in part:
            parsed = hl7.parse(message.decode(job["charset"]))
            writer.writemessage(parsed)
            await writer.drain()
            tell(str(parsed).encode(job["charset"]), await reader.readmessage())
        writer.close()
        await writer.wait_closed()


def command(job):
    """The command: first a file of lines with --loose, then a file of blocks."""
    loose, strict = parts(job)
    tool = os.path.join(os.path.dirname(sys.executable), "mllp_send")
    for messages, options in ((loose, ["--loose"]), (strict, [])):
        with tempfile.NamedTemporaryFile() as file:
            if options:
                file.write(b"".join(message.replace(b"\r", b"\n") for message in messages))
            else:
                file.write(b"".join(b"\x0b" + message + b"\x1c\r" for message in messages))
            file.flush()
            run = [tool, "--file", file.name, *options, "-p", str(job["port"]), job["host"]]
            output = subprocess.run(run, check=True, capture_output=True).stdout
        answers = [answer.strip(b"\x0b\r\n") for answer in output.split(b"\x1c\r\n") if answer.strip()]
        for message, answer in zip(messages, answers, strict=True):
            tell(message.strip(b"\r"), hl7.parse(answer.decode(job["charset"])))


def main():
    job = json.load(sys.stdin)
    if sys.argv[1] == "client":
        client(job)
    elif sys.argv[1] == "mllp_send":
        command(job)
    else:
        asyncio.run(streams(job))


main()

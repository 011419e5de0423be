"""Takes messages with a Python server and answers each as it was told, then well.

    receive.py hl7-asyncio|hl7apy JOB

A job: {"host", "charset", "ca", "identity", "steps"}; a step is MSA-1, or "close": closes the connection without a word.
The first line of output is {"port"}; every further line is a message as the peer read it, bytes as ISO-8859-1 text.
"""

import asyncio
import json
import ssl
import sys

import hl7
from hl7.mllp import start_hl7_server
from hl7apy.core import Message
from hl7apy.mllp import AbstractErrorHandler, AbstractHandler, MLLPRequestHandler, MLLPServer


def tell(job, text):
    message = text.encode(job["charset"]).decode("iso-8859-1")
    print(json.dumps({"message": message, "step": (step := job["steps"].pop(0) if job["steps"] else "AA")}), flush=True)
    return step


async def streams(job):
    """python-hl7: a connection carries as many messages as the sender likes."""

    async def serve(reader, writer):
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                step = tell(job, str(message))
                if step == "close":
                    writer.close()
                    return
                writer.writemessage(message.create_ack(step))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    context = None
    if job["ca"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=job["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(job["identity"])
    # Its limit of 64 KiB is too small for a document, its ASCII for a name.
    server = await start_hl7_server(serve, job["host"], 0, ssl=context, encoding=job["charset"], limit=1 << 20)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


def one_each(job):
    """hl7apy: closes the connection behind each answer."""

    class Taker(AbstractHandler):
        def reply(self):
            step = tell(job, self.incoming_message)
            if step == "close":
                raise ConnectionError("told to close")
            fields = self.incoming_message.split("\r")[0].split("|")
            ack = Message("ACK", version="2.5.1")
            ack.msh.msh_9 = "ACK"
            ack.msh.msh_10 = "ZZ" + fields[9]
            ack.msa.msa_1 = step
            ack.msa.msa_2 = fields[9]
            return ack.to_mllp()

    class Failed(AbstractErrorHandler):
        def reply(self):
            raise self.exc

    class Handler(MLLPRequestHandler):
        encoding = job["charset"]

    taken = {kind: (Taker,) for kind in ("ADT^A03^ADT_A03", "ORU^R01^ORU_R01")}
    server = MLLPServer(job["host"], 0, {**taken, "ERR": (Failed,)}, request_handler_class=Handler)
    server.daemon_threads = True
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()


def main():
    job = json.loads(sys.argv[2])
    if sys.argv[1] == "hl7apy":
        one_each(job)
    else:
        asyncio.run(streams(job))


main()

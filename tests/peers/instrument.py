"""Drives the simulated analyzer of labmcp-astm-lis, which speaks E1381 and E1394, on a pseudo terminal.

Reads a job from standard input: {"link": where the port is to be}. Reports one line: what the analyzer noted, how often it was
refused and how many messages were acknowledged. The analyzer spoils one frame on purpose.
"""

import importlib.util
import json
import os
import select
import sys
import sysconfig
import time
import tty
import types

# The analyzer needs one empty class of its author's framework, whose dependencies have nothing to do with it.
framework = types.ModuleType("labmcp")
framework.ByteSimulator = type("ByteSimulator", (), {})
sys.modules["labmcp"] = framework
path = os.path.join(sysconfig.get_paths()["purelib"], "labmcp_astm_lis", "simulator.py")
spec = importlib.util.spec_from_file_location("simulator", path)
simulator = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulator)

job = json.load(sys.stdin)
main, line = os.openpty()
tty.setraw(line)
os.symlink(os.ttyname(line), job["link"])
os.close(line)
poll = select.poll()
poll.register(main, select.POLLIN)
while any(event & select.POLLHUP for _, event in poll.poll(0)):
    time.sleep(0.02)
# Open; the gateway sets it raw before it reads.
time.sleep(0.3)

analyzer = simulator.ASTMAnalyzerSimulator(gap_s=0.05)
analyzer.attach(lambda data: os.write(main, data))
while not analyzer.done:
    if poll.poll(100):
        reply = analyzer.handle_bytes(os.read(main, 4096))
        if reply:
            os.write(main, reply)
print(json.dumps({"log": analyzer.log, "refused": analyzer.naks_received, "sent": analyzer.messages_sent}))

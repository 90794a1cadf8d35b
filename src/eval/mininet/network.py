"""Makes a network of mininet hosts on Linux bridges and keeps it until standard input ends.

Standard input: a line of JSON, MininetTopology of topology.ts. Standard output: a line of JSON, {"version": "2.3.0"} when all of it stands, or
{"error": "..."} when it cannot be made. Afterwards each host's network namespace has the host's name for `ip netns`.

To be started inside a sandbox alone: it makes bridges and names where it runs. Nothing of the kernel's own settings is changed. What it made
is gone when it ends; where it is killed, the sandbox ends all that is left.

Not here: which hosts and links there are.
"""

import functools
import json
import signal
import subprocess
import sys

try:
    from mininet.link import TCIntf, TCLink
    from mininet.log import setLogLevel
    from mininet.net import VERSION, Mininet
    from mininet.nodelib import LinuxBridge
except Exception as fault:  # Whatever a Python that is too new for it says.
    print(json.dumps({"error": f"{type(fault).__name__}: {fault}"}))
    sys.exit(1)


class StrictTCIntf(TCIntf):
    """Mininet goes on after a tc that failed, with a link that is none of those wanted."""

    def tc(self, cmd, tc="tc"):
        output = super().tc(cmd, tc)
        if " show " in cmd:
            return output
        faults = [line for line in output.split("\n") if line.strip() and not line.startswith("Warning:")]
        if faults:
            raise RuntimeError(f"{cmd % (tc, self)}: {' '.join(faults).strip()}")
        return ""


def run(node, *command):
    out, err, code = node.pexec(*command)
    if code != 0:
        raise RuntimeError(f"{node.name}: {' '.join(command)}: {(err or out).strip()}")


def plug(net, host, plan):
    """Plugs a host into its switches, each by an interface of its own."""
    for number, each in enumerate(plan["plugs"]):
        name = f"eth{number}"
        net.addLink(host, net[each["switch"]], intfName1=name, params1=each["sends"])
        # The switch sees what a wire would: datagrams handed over in one piece are cut apart before they leave.
        run(host, "ip", "link", "set", name, "gso_max_segs", "1")
        for address in each["addresses"]:
            run(host, "ip", "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        for route in each["routes"]:
            run(host, "ip", "route", "add", route["to"], "dev", name, "src", route["from"])


def make(net, topology):
    for name in topology["switches"]:
        net.addSwitch(name)
    for trunk in topology["trunks"]:
        net.addLink(net[trunk["one"]], net[trunk["other"]], params1=trunk["there"], params2=trunk["back"])
    for plan in topology["hosts"]:
        host = net.addHost(plan["name"], ip=None)
        plug(net, host, plan)
        run(host, "ip", "link", "set", "lo", "up")
        subprocess.run(["ip", "netns", "attach", host.name, str(host.pid)], check=True)
    net.build()
    net.start()


def unmake(net, topology):
    net.stop()
    for plan in topology["hosts"]:
        subprocess.run(["ip", "netns", "delete", plan["name"]], stderr=subprocess.DEVNULL)


def main():
    # Ctrl-C is for whoever started this, who then lets standard input end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setLogLevel("error")
    # Else it writes limits of the whole machine into /proc/sys.
    Mininet.inited = True
    topology = json.loads(sys.stdin.readline())
    strict = functools.partial(TCLink, cls1=StrictTCIntf, cls2=StrictTCIntf)
    net = Mininet(switch=LinuxBridge, controller=None, link=strict)
    try:
        make(net, topology)
        print(json.dumps({"version": VERSION}), flush=True)
        sys.stdin.read()
        return 0
    except Exception as fault:
        print(json.dumps({"error": str(fault)}), flush=True)
        return 1
    finally:
        unmake(net, topology)


sys.exit(main())

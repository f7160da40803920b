#!/usr/bin/python3
"""Three `mikeyd` on three etcd nodes serve one group, and lose the majority, a node and a controller while keys are renewed.

    groups.py MIKEY MIKEYD WORK

First two etcd nodes stand still: no change is acknowledged and nobody gets in, members hear each other all the while, and
what waited is done when they go on. Then the etcd node that leads is killed, then the mikeyd that leads, both as `kill -9` does. Then:

- whatever was acknowledged to the operator is there, at every controller that lives;
- no epoch and no record was acknowledged twice, and no member saw an epoch twice or an older one;
- no SSRC was given twice;
- within LIMIT seconds every member, also those of the dead controller, has the keys of a renewal that begins after the kill, and
  hears others under them;
- who asks the dead controller first gets in at the next of its list.

Ends within a minute.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

# Seconds in which a cluster that has lost a node or a controller has new keys at every member. A lease is 3 s, an election 1 s
# to 2 s; a busy machine has the rest.
LIMIT = 20
CONTROLLERS = 3
MEMBERS = 6
HOST = "127.0.0.1"


def main():
    mikey, mikeyd, work = (os.path.abspath(argument) for argument in sys.argv[1:4])
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    os.chdir(work)
    begun = time.monotonic()
    site = Site(mikey, mikeyd)
    try:
        run(site)
    except BaseException:
        for process in site.processes:
            print(f"--- {process.name}\n{process.tail()}", file=sys.stderr)
        raise
    finally:
        site.end()
    print(f"groups: all of it in {time.monotonic() - begun:.0f} s")


def run(site):
    etcd = [site.etcd(n) for n in range(CONTROLLERS)]
    leader = wait_for("a leader of etcd", lambda: next((node for node in etcd if node.leads()), None))
    controllers = [site.controller(n) for n in range(CONTROLLERS)]
    for controller in controllers:
        controller.line("ready")
    # Two members at each controller. The odd ones speak to all others.
    members = [site.member(n, [n % CONTROLLERS, (n + 1) % CONTROLLERS]) for n in range(MEMBERS)]
    for member in members:
        member.event("joined")
    full = lambda: (same([c.show() for c in controllers]) or {}).get("members") == MEMBERS
    wait_for("all members at all controllers", full)

    without_majority(site, etcd, controllers, members)

    operator = Operator(controllers)
    operator.start()
    time.sleep(1)
    leader.kill()
    took = all_have_new_keys(operator, controllers, members)
    print(f"groups: new keys at all {MEMBERS} members {took:.1f} s after the leading etcd node was killed")

    lead = wait_for("one controller that leads", lambda: settled(controllers))
    lead.kill()
    left = [controller for controller in controllers if controller is not lead]
    operator.controllers = left
    took = all_have_new_keys(operator, left, members)
    print(f"groups: new keys at all {MEMBERS} members {took:.1f} s after the leading mikeyd was killed")
    wait_for("another controller that leads", lambda: leading(left))

    # Who asks the dead one first, and one of its own members that begins anew.
    dead = controllers.index(lead)
    late = site.member(MEMBERS, [dead, (dead + 1) % CONTROLLERS])
    late.event("joined")
    again = next(member for member in members if member.controllers[0] == dead)
    members.remove(again)
    again.kill()
    back = site.member(again.number, again.controllers)
    back.event("joined")
    operator.stop()

    members += [late, back]
    took = all_have_new_keys(None, left, members)
    states = wait_for("one state at all controllers", lambda: same([c.show() for c in left]))
    check(site, operator, states, len(members))
    print(f"groups: {len(operator.done)} renewals acknowledged, {operator.failed} not, none lost, none twice")


def without_majority(site, etcd, controllers, members):
    """Nothing is acknowledged, no key leaves, and members go on."""
    before = same([c.show() for c in controllers])
    heard = [sum(event["packets"] for event in member.events("heard")) for member in members]
    for node in etcd[:2]:
        node.child.send_signal(signal.SIGSTOP)
    # The daemon gives the store five seconds, and says then that the change waits.
    assert controllers[0].rekey() is None, "acknowledged without a majority"
    outside = site.member(MEMBERS, [1])
    time.sleep(1)
    after = [c.show() for c in controllers]
    assert all(view["epoch"] == before["epoch"] and view["record"] == before["record"] for view in after), after
    wait_for("a controller that says so", lambda: any(c.show()["store"] != "ok" for c in controllers))
    assert not outside.events("joined"), "in without a majority"
    for member, then in zip(members, heard):
        assert sum(event["packets"] for event in member.events("heard")) > then, f"{member.name} hears nobody"
        assert max(member.epochs()) == before["epoch"], f"{member.name}: {member.epochs()}"
    for node in etcd[:2]:
        node.child.send_signal(signal.SIGCONT)
    begun = time.monotonic()
    for member in members:
        member.epoch(before["epoch"] + 1, lambda: begun + LIMIT - time.monotonic())
    outside.event("joined")
    outside.leave()
    full = lambda: (same([c.show() for c in controllers]) or {}).get("members") == MEMBERS
    wait_for("the guest to have left", full)
    print(f"groups: without a majority nothing changed; {time.monotonic() - begun:.1f} s after it is back all goes on")


def leading(controllers):
    return next((controller for controller in controllers if (controller.show() or {}).get("leads")), None)


def settled(controllers):
    """Who leads alone, now and a moment later: the lease may have changed hands with the node that was killed."""
    first = [controller for controller in controllers if (controller.show() or {}).get("leads")]
    time.sleep(1)
    second = [controller for controller in controllers if (controller.show() or {}).get("leads")]
    return first[0] if len(first) == 1 and first == second else None


def same(states):
    keys = ("epoch", "record", "members", "next_t", "spi")
    views = [{key: state[key] for key in keys} for state in states if state]
    return views[0] if len(views) == len(states) and all(view == views[0] for view in views) else None


def all_have_new_keys(operator, controllers, members):
    """How long until a renewal that begins now is acknowledged, and all members have and use its keys."""
    begun = time.monotonic()

    def left():
        return begun + LIMIT - time.monotonic()

    epoch = None
    while epoch is None:
        assert left() > 0, f"no renewal in {LIMIT} s"
        for controller in controllers:
            epoch = epoch or (controller.rekey() or {}).get("epoch")
    for member in members:
        member.epoch(epoch, left)
    # Members that hear do so under keys that others have as well.
    for member in members:
        member.hears(epoch, left)
    return time.monotonic() - begun


def check(site, operator, state, members):
    assert state["members"] == members, (state, members)
    records = {}
    for done in operator.done:
        # Two renewals that are asked for together may be one record.
        assert records.setdefault(done["epoch"], done["record"]) == done["record"], f"epoch {done['epoch']} twice"
        assert done["epoch"] <= state["epoch"] and done["record"] <= state["record"], (done, state)
    assert len(set(records.values())) == len(records), "one record for two epochs"
    assert len(operator.done) > 10, f"only {len(operator.done)} renewals"
    ssrcs = []
    for process in site.processes:
        if isinstance(process, Member):
            process.check_epochs()
            ssrcs += process.ssrcs()
    assert len(ssrcs) == len(set(ssrcs)), "an ssrc twice"


class Site:
    """Files, ports and processes."""

    def __init__(self, mikey, mikeyd):
        self.mikey, self.mikeyd = mikey, mikeyd
        self.processes = []
        self.tcp = ports(socket.SOCK_STREAM, 2 * CONTROLLERS)
        udp = ports(socket.SOCK_DGRAM, CONTROLLERS + MEMBERS + 1)
        self.listen, self.media = udp[:CONTROLLERS], udp[CONTROLLERS:]
        self.tool("ca", "init", "--dir", "ca")
        for name in [f"gc{n}" for n in range(CONTROLLERS)] + [f"m{n}" for n in range(MEMBERS + 1)]:
            self.tool("ca", "issue", "--dir", "ca", "--name", f"sip:{name}@example.com", "--out", ".")
        self.tool("group", "new-kek", "kek")
        self.tool("group", "new-key", "news.key")

    def tool(self, *arguments):
        subprocess.run([self.mikey, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=30)

    def etcd(self, n):
        client, peer = self.tcp[2 * n : 2 * n + 2]
        cluster = ",".join(f"n{k}=http://{HOST}:{self.tcp[2 * k + 1]}" for k in range(CONTROLLERS))
        command = [
            "etcd", "--name", f"n{n}", "--data-dir", f"etcd{n}", "--initial-cluster", cluster,
            "--listen-client-urls", f"http://{HOST}:{client}", "--advertise-client-urls", f"http://{HOST}:{client}",
            "--listen-peer-urls", f"http://{HOST}:{peer}", "--initial-advertise-peer-urls", f"http://{HOST}:{peer}",
            "--heartbeat-interval", "100", "--election-timeout", "1000", "--logger", "zap",
        ]
        return self.add(Etcd(f"etcd{n}", command, client))

    def controller(self, n):
        endpoints = [f"http://{HOST}:{self.tcp[2 * k]}" for k in range(CONTROLLERS)]
        with open(f"gc{n}.toml", "w", encoding="utf-8") as out:
            out.write(f"""
identity = "sip:gc{n}@example.com"
certificate = "gc{n}.pem"
key = "gc{n}.key"
ca = ["ca/ca.pem"]
listen = "{HOST}:{self.listen[n]}"
control = "gc{n}.sock"
store = {{ etcd = {json.dumps(endpoints)}, node = "gc{n}", timeout = "3s", lease = "3s" }}
kek = {{ file = "kek" }}
service = {{ gather = "50ms", heartbeat = "1s", compact = 16 }}
[[group]]
id = "news"
signing_key = "news.key"
rekey = "never"
sessions = [{{ id = 1, srtp = "AEAD_AES_128_GCM" }}]
[[group.member]]
who = "*@example.com"
send = true
""")
        return self.add(Daemon(f"gc{n}", [self.mikeyd, "--config", f"gc{n}.toml"], self.mikey))

    def member(self, number, controllers):
        command = [self.mikey, "--json", "group", "join", "news", "--identity", f"sip:m{number}@example.com",
                   "--cert", f"m{number}.pem", "--key", f"m{number}.key", "--ca", "ca/ca.pem",
                   "--bind", f"{HOST}:{self.media[number]}", "--timeout", str(LIMIT)]
        for n in controllers:
            command += ["--controller", f"{HOST}:{self.listen[n]}=sip:gc{n}@example.com"]
        if number % 2 == 1:
            others = [port for n, port in enumerate(self.media) if n != number]
            command += ["--send"] + [word for port in others for word in ("--to", f"{HOST}:{port}")]
        return self.add(Member(number, command, controllers))

    def add(self, process):
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            process.kill()


class Process:
    """A process of ours, and what it says."""

    def __init__(self, name, command, **options):
        self.name = name
        self.lines = []
        self.more = threading.Condition()
        self.child = subprocess.Popen(command, text=True, **options)
        pipe = self.child.stdout or self.child.stderr
        threading.Thread(target=self.read, args=(pipe,), daemon=True).start()

    def read(self, pipe):
        for line in pipe:
            with self.more:
                self.lines.append(line)
                self.more.notify_all()

    def line(self, text):
        self.until(lambda: next((line for line in self.lines if text in line), None), f"'{text}'", lambda: LIMIT)

    def until(self, wanted, what, left):
        with self.more:
            while (found := wanted()) is None:
                rest = left()
                assert rest > 0, f"{self.name} has not {what} in time"
                self.more.wait(min(rest, 0.5))
            return found

    def tail(self):
        return "".join(self.lines[-12:])

    def leave(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(timeout=LIMIT)

    def kill(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()


class Etcd(Process):
    def __init__(self, name, command, client):
        super().__init__(name, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.client = client

    def leads(self):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.client}/metrics", timeout=1) as page:
                return "\netcd_server_is_leader 1" in page.read().decode()
        except OSError:
            return False


class Daemon(Process):
    def __init__(self, name, command, mikey):
        super().__init__(name, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.mikey = mikey

    def ask(self, *arguments):
        command = [self.mikey, "--json", "group", *arguments, "--socket", f"{self.name}.sock"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout.splitlines()[0]) if done.returncode == 0 else None

    def show(self):
        return self.ask("show", "news")

    def rekey(self):
        return self.ask("rekey", "news")


class Member(Process):
    def __init__(self, number, command, controllers):
        super().__init__(f"m{number}", command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.number, self.controllers = number, controllers

    def events(self, kind):
        return [event for event in map(json.loads, list(self.lines)) if event["event"] == kind]

    def event(self, kind):
        self.until(lambda: (self.events(kind) or [None])[0], kind, lambda: LIMIT)

    def epochs(self):
        return [event["epoch"] for event in map(json.loads, list(self.lines)) if event["event"] in ("joined", "epoch")]

    def epoch(self, epoch, left):
        self.until(lambda: (max(self.epochs(), default=0) >= epoch) or None, f"epoch {epoch}", left)

    def hears(self, epoch, left):
        heard = lambda: next((e for e in self.events("heard") if e["epoch"] >= epoch), None)
        self.until(heard, f"heard anybody in epoch {epoch}", left)

    def check_epochs(self):
        epochs = self.epochs()
        assert all(a < b for a, b in zip(epochs, epochs[1:])), f"{self.name}: {epochs}"

    def ssrcs(self):
        return [ssrc for event in self.events("joined") for ssrc in event["ssrcs"]]


class Operator(threading.Thread):
    """Renews keys again and again, at one controller after another."""

    def __init__(self, controllers):
        super().__init__(daemon=True)
        self.controllers = controllers
        self.done, self.failed, self.going = [], 0, True

    def run(self):
        turn = 0
        while self.going:
            controllers = self.controllers
            turn += 1
            done = controllers[turn % len(controllers)].rekey()
            if done:
                self.done.append(done)
            else:
                self.failed += 1
            time.sleep(0.2)

    def stop(self):
        self.going = False
        self.join(timeout=60)


def wait_for(what, wanted):
    until = time.monotonic() + LIMIT
    while not (found := wanted()):
        assert time.monotonic() < until, f"no {what} in {LIMIT} s"
        time.sleep(0.1)
    return found


def ports(kind, count):
    """Ports that were free a moment ago."""
    sockets = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    for one in sockets:
        one.bind((HOST, 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


if __name__ == "__main__":
    main()

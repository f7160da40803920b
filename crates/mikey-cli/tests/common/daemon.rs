//! Runs `mikeyd`, and members of its groups, as processes on loopback.

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Ended, Place};

/// How long anything may take: only a machine that stands still is slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// A controller's configuration and what it names, with certificates for it and some members.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) port: u16,
}

/// A `mikeyd` at work, killed if a test forgets it.
pub(crate) struct Daemon {
    child: Child,
    log: mpsc::Receiver<String>,
    seen: String,
}

/// A `mikey group join` at work, killed if a test forgets it.
pub(crate) struct Member {
    child: Child,
    events: mpsc::Receiver<Value>,
    pub(crate) seen: Vec<Value>,
    pub(crate) address: String,
}

impl Site {
    pub(crate) fn new(members: usize) -> Self {
        let place = Place::new();
        place.ok("ca init --dir ca");
        place.ok("ca issue --dir ca --name sip:gc@example.com --out .");
        for n in 1..=members {
            place.ok(&format!("ca issue --dir ca --name sip:m{n}@example.com --out ."));
        }
        place.ok("group new-kek kek");
        place.ok("group new-key news.key");
        let port = free_port();
        let site = Self { place, port };
        site.configure("");
        site
    }

    /// Writes the configuration, with something more at its end.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            r#"
identity = "sip:gc@example.com"
certificate = "gc.pem"
key = "gc.key"
ca = ["ca/ca.pem"]
listen = "127.0.0.1:{}"
control = "control.sock"
log = "debug"

[store]
redb = "groups.redb"

[kek]
file = "kek"

[service]
gather = "20ms"
rejoin = "0ms"
heartbeat = "1s"
compact = 8

[[group]]
id = "news"
signing_key = "news.key"
rekey = "never"
sessions = [{{ id = 1, srtp = "AEAD_AES_128_GCM" }}]

[[group.member]]
who = "sip:m9@example.com"
receive = false

[[group.member]]
who = "*@example.com"
send = true
{more}"#,
            self.port
        );
        std::fs::write(self.place.path("mikeyd.toml"), text).unwrap();
    }

    pub(crate) fn mikeyd(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mikeyd"));
        command.current_dir(self.place.path("")).args(arguments.split_whitespace()).stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn start(&self) -> Daemon {
        let mut daemon = self.spawn();
        daemon.wait_for("ready");
        daemon
    }

    /// Starts the daemon. That a file may not grow is an error to it, as on a full disk, and no signal.
    pub(crate) fn spawn(&self) -> Daemon {
        self.spawn_with(&[])
    }

    /// The same with something in its environment.
    pub(crate) fn spawn_with(&self, environment: &[(&str, &str)]) -> Daemon {
        let mut child = Command::new("sh")
            .envs(environment.iter().copied())
            .args(["-c", "trap '' XFSZ; exec \"$0\" --config mikeyd.toml", env!("CARGO_BIN_EXE_mikeyd")])
            .current_dir(self.place.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Daemon { child, log, seen: String::new() }
    }

    /// Asks the daemon.
    pub(crate) fn group(&self, arguments: &str) -> Ended {
        self.place.run(&format!("--json group {arguments} --socket control.sock"))
    }

    pub(crate) fn group_ok(&self, arguments: &str) -> Ended {
        let ended = self.group(arguments);
        assert_eq!(ended.code, 0, "group {arguments}: {ended:?}");
        ended
    }

    /// The names of the members, sorted.
    pub(crate) fn members(&self) -> Vec<String> {
        let members = self.group_ok("members news").events("member");
        let mut names: Vec<String> =
            members.iter().map(|member| member["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn join_arguments(&self, n: usize, more: &str) -> String {
        format!(
            "--json group join news --controller 127.0.0.1:{}=sip:gc@example.com --bind 127.0.0.1:0 \
             --identity sip:m{n}@example.com --cert m{n}.pem --key m{n}.key --ca ca/ca.pem {more}",
            self.port
        )
    }

    /// Starts a member and waits until it listens.
    pub(crate) fn member(&self, n: usize, more: &str) -> Member {
        let mut command = self.place.command(&self.join_arguments(n, more));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, events) = mpsc::channel();
        std::thread::spawn(move || {
            let events = stdout
                .lines()
                .map_while(Result::ok)
                .map(|line| serde_json::from_str::<Value>(&line).expect(&line));
            events.into_iter().try_for_each(|event| send.send(event))
        });
        let mut member = Member { child, events, seen: Vec::new(), address: String::new() };
        let first = member.wait_for("listening", |_| true);
        member.address = first["local"].as_str().unwrap().to_owned();
        member
    }

    /// Starts a member and waits until it is in.
    pub(crate) fn joined(&self, n: usize, more: &str) -> Member {
        let mut member = self.member(n, more);
        member.wait_for("joined", |_| true);
        member
    }
}

impl Daemon {
    /// Waits for a line of the log that has this.
    pub(crate) fn wait_for(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.log.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("no '{what}' in the log of mikeyd:\n{}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(what) {
                return line;
            }
        }
    }

    /// How long its files may be from now on.
    pub(crate) fn limit(&self, octets: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--fsize={octets}:")).arg(format!("--pid={}", self.child.id()));
        assert!(prlimit.status().unwrap().success());
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.rest()
    }

    /// Asks it to end; its exit code, and the whole log.
    pub(crate) fn terminate(mut self) -> (i32, String) {
        signal(self.child.id(), "TERM");
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.rest())
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.rest())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn rest(&mut self) -> String {
        self.seen.extend(self.log.iter().map(|line| line + "\n"));
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of mikeyd:\n{}", self.rest());
        }
    }
}

impl Member {
    /// Waits for an event of this kind that has something.
    pub(crate) fn wait_for(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let next = self.events.recv_timeout(until.saturating_duration_since(Instant::now()));
            let Ok(next) = next else {
                let mut err = String::new();
                let _ = self.child.kill();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                panic!("no {event} of a member: {:?}\n{err}", self.seen);
            };
            self.seen.push(next.clone());
            if next["event"] == event && wanted(&next) {
                return next;
            }
        }
    }

    /// What it said since, without waiting.
    pub(crate) fn news(&mut self) -> &[Value] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }

    /// Asks it to leave; its exit code.
    pub(crate) fn leave(mut self) -> i32 {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.seen.extend(self.events.iter());
        let out = self.seen.iter().map(|event| format!("{event}\n")).collect();
        Ended { code, out, err }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test has started.
pub(crate) fn signal(process: u32, name: &str) {
    assert!(
        Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap().success()
    );
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

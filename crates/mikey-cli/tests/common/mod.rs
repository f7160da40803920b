//! Runs the tool in a directory of its own, and listeners beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
#![allow(dead_code)] // each test uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with files for the tool.
pub(crate) struct Place(TempDir);

/// What a run of the tool ended with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A listener that was started, killed if a test forgets it.
pub(crate) struct Listener {
    child: Child,
    out: BufReader<ChildStdout>,
    seen: String,
    pub(crate) address: String,
    first: Value,
}

impl Place {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A CA and certificates for alice and bob, a pre-shared key, and speech for each.
    pub(crate) fn furnished() -> Self {
        let place = Self::new();
        place.ok("ca init --dir ca");
        place.ok("ca issue --dir ca --name sip:alice@example.com --out .");
        place.ok("ca issue --dir ca --name sip:bob@example.com --key p256 --out .");
        place.ok("psk new --out ab.psk");
        place.wav("alice.wav", 440.0, 3000);
        place.wav("bob.wav", 300.0, 2500);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A WAV file with a tone.
    pub(crate) fn wav(&self, name: &str, frequency: f32, samples: u32) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(self.path(name), spec).unwrap();
        for n in 0..samples {
            let t = n as f32 / 8000.0;
            writer.write_sample((9000.0 * (t * frequency * std::f32::consts::TAU).sin()) as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mikey"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace()).stdin(Stdio::null());
        command
    }

    /// Runs the tool to its end.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the tool, which must end well.
    pub(crate) fn ok(&self, arguments: &str) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "mikey {arguments}: {ended:?}");
        ended
    }

    /// Runs the tool with this on its standard input.
    pub(crate) fn run_with(&self, input: &str, arguments: &str) -> Ended {
        let mut child = self.command(arguments);
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::of(&child.wait_with_output().unwrap())
    }

    /// Starts `mikey listen` on a free port and waits until it listens.
    pub(crate) fn listen(&self, arguments: &str) -> Listener {
        self.listen_with(None, arguments)
    }

    /// The same with this on its standard input.
    pub(crate) fn listen_with(&self, input: Option<&str>, arguments: &str) -> Listener {
        self.start(input, &format!("--json listen --bind 127.0.0.1:0 --fast --audio bob.wav {arguments}"))
    }

    /// Starts a listener with just these arguments.
    pub(crate) fn listen_to(&self, arguments: &str) -> Listener {
        self.start(None, arguments)
    }

    fn start(&self, input: Option<&str>, arguments: &str) -> Listener {
        let mut command = self.command(arguments);
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(input) = input {
            child.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
        }
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("mikey {arguments}: {err}");
        }
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "listening");
        let address = value["local"].as_str().unwrap().to_owned();
        Listener { child, out, seen: String::new(), address, first: value }
    }

    /// Calls a listener as alice.
    pub(crate) fn call(&self, listener: &Listener, arguments: &str) -> Ended {
        let to = &listener.address;
        self.run(&format!(
            "--json call {to} --identity sip:alice@example.com --fast --audio alice.wav --timeout 2 {arguments}"
        ))
    }
}

impl Listener {
    /// What it said when it began to listen.
    pub(crate) fn first_event(&self) -> Value {
        self.first.clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types at its terminal.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the next event of this kind.
    pub(crate) fn wait_for(&mut self, event: &str) {
        let event = format!("\"event\":\"{event}\"");
        loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended without {event}");
            self.seen.push_str(&line);
            if line.contains(&event) {
                return;
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let mut out = std::mem::take(&mut self.seen);
        self.out.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ended { code, out, err }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The objects on standard output with this event.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let values = self.out.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        values.filter(|value| value["event"] == event).collect()
    }

    /// The only one of them.
    #[track_caller]
    pub(crate) fn event(&self, event: &str) -> Value {
        let mut found = self.events(event);
        assert_eq!(found.len(), 1, "{event}: {self:?}");
        found.remove(0)
    }

    /// Checks the code and that the error says this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, what: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let lines: Vec<&str> = self.err.lines().collect();
        assert!(
            lines.iter().any(|line| line.starts_with("mikey: error: ") && line.contains(what)),
            "{self:?}"
        );
        assert!(lines.iter().all(|line| line.starts_with("mikey: ")), "{self:?}");
    }
}

/// The samples of a WAV file.
pub(crate) fn samples(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().samples::<i16>().map(Result::unwrap).collect()
}

/// Each of them once, in order: a busy machine may send a message again.
pub(crate) fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

//! The process: arguments, the log, signals, and what the service manager is told.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::config::{ConfigError, EXAMPLE, Level, Source};
use crate::control;
use crate::daemon::{Daemon, Stop, open_store};
use crate::groups::GroupsError;

/// Where the configuration is if nothing else is said.
const DEFAULT_CONFIG: &str = "/etc/mikeyd/mikeyd.toml";

/// Something failed while it ran, or could not begin.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const WRONG: u8 = 2;

/// The daemon that is a controller of MIKEYv2 groups.
///
/// It serves the groups of its configuration until SIGTERM or SIGINT. SIGHUP makes it read again who may join. The log goes to
/// standard error.
#[derive(Debug, Parser)]
#[command(
    name = "mikeyd",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes:
  0  ok: stopped as it was asked to
  1  failed: a file, the network, or the store
  2  usage: the command line or the configuration is wrong

Examples:
  mikeyd --example-config > /etc/mikeyd/mikeyd.toml
  mikeyd --check /etc/mikeyd/mikeyd.toml
  mikeyd --config /etc/mikeyd/mikeyd.toml
  mikey group list"
)]
struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Check a configuration and the files that it names, and stop
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    check: Option<PathBuf>,
    /// Print a configuration to begin with, and stop
    #[arg(long, conflicts_with_all = ["config", "check"])]
    example_config: bool,
}

/// The process of `mikeyd`, from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) if !help.use_stderr() => {
            // A reader that closed the pipe early has what it wanted.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            let text = wrong.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            return fail(WRONG, first.trim_start_matches("error: "), Some("run 'mikeyd --help'"));
        }
    };
    if args.example_config {
        let _ = io::stdout().lock().write_all(EXAMPLE.as_bytes());
        return ExitCode::SUCCESS;
    }
    if let Some(path) = &args.check {
        return match check(path) {
            Ok(source) => {
                let groups = source.config.groups.len();
                let _ = writeln!(io::stdout().lock(), "{}: ok, {groups} groups", path.display());
                ExitCode::SUCCESS
            }
            Err(error) => wrong(&error),
        };
    }
    let source = match Source::read(&args.config) {
        Ok(source) => source,
        Err(error) => return wrong(&error),
    };
    log(source.config.log);
    match serve(&args.config, &source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Groups(GroupsError::Config(error))) => wrong(&error),
        Err(Stop::Groups(error)) => fail(FAILED, &error.to_string(), error.hint()),
        Err(Stop::Io(error)) => fail(FAILED, &error.to_string(), None),
    }
}

/// Everything of a configuration that can be checked without the store.
fn check(path: &Path) -> Result<Source, ConfigError> {
    let source = Source::read(path)?;
    let provider = mikey_crypto_aws_lc::provider();
    source.endpoint(&provider)?;
    source.keyring(&provider)?;
    source.etcd()?;
    for group in &source.config.groups {
        source.signer(&provider, group.as_ref())?;
    }
    Ok(source)
}

fn serve(path: &Path, source: &Source) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Stop::Io)?;
    let provider = mikey_crypto_aws_lc::provider();
    // Before anything is served: another daemon may have the store.
    let store = open_store(source, &provider).map_err(Stop::Groups)?;
    let inside = runtime.enter();
    let mut daemon = Daemon::start(source, provider, store)?;
    drop(inside);
    runtime.block_on(work(path, source, &mut daemon))
}

async fn work(path: &Path, source: &Source, daemon: &mut Daemon) -> Result<(), Stop> {
    let socket = source.path(&source.config.control);
    let (_listener, mut asked) = control::listen(&socket).map_err(|error| {
        Stop::Io(io::Error::new(error.kind(), format!("the control socket '{}': {error}", socket.display())))
    })?;
    let [mut terminate, mut interrupt, mut hangup] =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let listen = daemon.driver.local_addr();
    info!(%listen, control = %socket.display(), groups = daemon.groups.len(), "ready");
    notify(NotifyState::Ready);
    let done = loop {
        let event = tokio::select! {
            done = daemon.run(&mut asked) => break done,
            () = next(&mut terminate) => Signal::Stop,
            () = next(&mut interrupt) => Signal::Stop,
            () = next(&mut hangup) => Signal::Reload,
        };
        match event {
            Signal::Stop => break Ok(()),
            Signal::Reload => match Source::read(path) {
                Ok(source) => {
                    daemon.reload(&source);
                    info!(
                        "who may join was read again; anything else of the configuration waits for a restart"
                    );
                }
                Err(error) => {
                    warn!("the configuration is wrong, and nothing of it was taken:\n{}", error.report())
                }
            },
        }
    };
    notify(NotifyState::Stopping);
    if let Err(Stop::Groups(error)) = &done {
        error!(%error, "no group is served any more");
    }
    info!("stopping");
    daemon.end().await;
    done
}

enum Signal {
    Stop,
    Reload,
}

/// Waits for a signal; for ever, if the operating system gives none.
async fn next(signal: &mut io::Result<tokio::signal::unix::Signal>) {
    let came = match signal {
        Ok(signal) => signal.recv().await,
        Err(_) => None,
    };
    if came.is_none() {
        std::future::pending().await
    }
}

/// Tells the service manager, if there is one.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager could not be told");
    }
}

fn log(level: Level) {
    let level = match level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        // A log that cannot be written is told to standard error, which is the log: that would end the daemon.
        .log_internal_errors(false)
        .init();
}

fn wrong(error: &ConfigError) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "mikeyd: error: the configuration is wrong\n{}", error.report());
    ExitCode::from(WRONG)
}

fn fail(code: u8, message: &str, hint: Option<&str>) -> ExitCode {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "mikeyd: error: {message}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "mikeyd: hint: {hint}");
    }
    ExitCode::from(code)
}

//! `mikeyd`, the daemon that is a controller of MIKEYv2 groups. All of it is in `mikey-daemon`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mikey_daemon::main()
}

//! Exchanges packets with other implementations of SRTP, in both directions. `interop/run` calls it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
#![allow(unreachable_pub)]

mod ends;
mod ffmpeg;
mod gstreamer;
mod libsrtp;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["libsrtp", peer] => libsrtp::run(peer),
        ["gstreamer"] => gstreamer::run(),
        ["ffmpeg"] => ffmpeg::run(),
        _ => {
            eprintln!("usage: interop libsrtp PEER | gstreamer | ffmpeg");
            std::process::exit(2);
        }
    }
}

//! Looks for octets in the memory of another process.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

const PAGE: usize = 4096;
/// Octets of a secret that are looked for: those in its middle, since libraries mask its ends.
const WINDOW: usize = 16;

#[derive(Default)]
pub(crate) struct Needles {
    by_start: HashMap<[u8; 4], Vec<(String, Vec<u8>)>>,
    count: usize,
    /// Octets that were read by the last search.
    pub(crate) scanned: usize,
}

impl Needles {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn add(&mut self, kind: &str, secret: Vec<u8>) {
        let from = (secret.len() - WINDOW) / 2;
        let window = secret[from..from + WINDOW].to_vec();
        let same = self.by_start.entry(window[..4].try_into().unwrap()).or_default();
        if !same.iter().any(|(_, other)| *other == window) {
            same.push((kind.into(), window));
            self.count += 1;
        }
    }

    /// Every place at which a secret stands, by kind and region.
    pub(crate) fn search(&mut self, process: u32) -> Vec<String> {
        let maps = BufReader::new(File::open(format!("/proc/{process}/maps")).unwrap());
        let mut memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let starts: Vec<bool> =
            (0..=u16::MAX).map(|start| self.by_start.keys().any(|k| k[..2] == start.to_le_bytes())).collect();
        let mut found = Vec::new();
        self.scanned = 0;
        for line in maps.lines().map_while(Result::ok) {
            let mut fields = line.split_whitespace();
            let (range, flags) = (fields.next().unwrap(), fields.next().unwrap());
            if !flags.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut octets = vec![0; usize::try_from(to - from).unwrap()];
            memory.seek(SeekFrom::Start(from)).unwrap();
            // What cannot be read belongs to the kernel.
            if memory.read_exact(&mut octets).is_err() {
                continue;
            }
            self.scanned += octets.len();
            let name = fields.nth(3).unwrap_or("memory");
            self.search_in(&octets, &starts, |kind, at| {
                found.push(format!("{kind} in {name}, {range} + {at:#x}"))
            });
        }
        found
    }

    fn search_in(&self, octets: &[u8], starts: &[bool], mut found: impl FnMut(&str, usize)) {
        for page in (0..octets.len()).step_by(PAGE) {
            // Most pages were never written to.
            if octets[page..(page + PAGE).min(octets.len())] == [0; PAGE] {
                continue;
            }
            for at in page..(page + PAGE).min(octets.len() - WINDOW) {
                if !starts[usize::from(u16::from_le_bytes([octets[at], octets[at + 1]]))] {
                    continue;
                }
                let start: [u8; 4] = octets[at..at + 4].try_into().unwrap();
                for (kind, window) in self.by_start.get(&start).into_iter().flatten() {
                    if octets[at..at + WINDOW] == window[..] {
                        found(kind, at);
                    }
                }
            }
        }
    }
}

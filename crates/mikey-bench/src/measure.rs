//! Measuring: interleaved rounds of all contestants of a case, processor time of one thread, median and spread.
//!
//! In each round every contestant runs one batch of about two milliseconds; the order turns by one from round to round.
//! A disturbance of the machine therefore hits all contestants alike, and the median forgets it.

use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Processor time of one batch.
const BATCH: Duration = Duration::from_millis(2);
/// Rounds below which a median says too little.
const MIN_ROUNDS: usize = 9;

/// What a contestant is to the case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// This project.
    Ours,
    /// What ours is held against: the least that the work could cost.
    Limit,
    /// Another implementation of the same task.
    Peer,
}

/// One operation, to be repeated.
pub(crate) struct Contestant<'a> {
    name: &'static str,
    role: Role,
    /// Runs the operation so many times. Returns the processor time if it is not all that this thread took.
    batch: Box<dyn FnMut(u64) -> Result<Option<Duration>> + 'a>,
}

impl<'a> Contestant<'a> {
    /// `operation` does the work once; it takes care itself (`std::hint::black_box`) that nothing is optimised away.
    pub(crate) fn new(
        name: &'static str,
        role: Role,
        mut operation: impl FnMut() -> Result<()> + 'a,
    ) -> Self {
        let batch = move |times| {
            for _ in 0..times {
                operation()?;
            }
            Ok(None)
        };
        Self { name, role, batch: Box::new(batch) }
    }

    /// `operation` does `count` pieces of the work at once; times are of one piece.
    pub(crate) fn each_of(
        name: &'static str,
        role: Role,
        count: u64,
        mut operation: impl FnMut() -> Result<()> + 'a,
    ) -> Self {
        let batch = move |times: u64| {
            for _ in 0..times.div_ceil(count) {
                operation()?;
            }
            Ok(None)
        };
        Self { name, role, batch: Box::new(batch) }
    }

    /// `operation` does the work on one of the `len` things that `prepare` has made ready, `each` pieces at once. Only
    /// `operation` is timed: what has to be made anew for each round is not part of the work.
    pub(crate) fn rounds<S: 'a>(
        name: &'static str,
        role: Role,
        (len, each): (usize, u64),
        mut state: S,
        mut prepare: impl FnMut(&mut S) -> Result<()> + 'a,
        mut operation: impl FnMut(&mut S, usize) -> Result<()> + 'a,
    ) -> Self {
        let batch = move |times: u64| {
            let mut left = usize::try_from(times.div_ceil(each))?;
            let mut took = Duration::ZERO;
            while left > 0 {
                prepare(&mut state)?;
                let count = left.min(len.max(1));
                let start = now();
                for at in 0..count {
                    operation(&mut state, at)?;
                }
                took += now().saturating_sub(start);
                left -= count;
            }
            Ok(Some(took))
        };
        Self { name, role, batch: Box::new(batch) }
    }

    /// `batch` does the work so many times somewhere else, in a child process, and says how long that took.
    pub(crate) fn elsewhere(
        name: &'static str,
        role: Role,
        mut batch: impl FnMut(u64) -> Result<Duration> + 'a,
    ) -> Self {
        Self { name, role, batch: Box::new(move |times| batch(times).map(Some)) }
    }
}

/// Contestants that do the same task.
pub(crate) struct Case<'a> {
    /// What is measured.
    pub(crate) name: String,
    /// Octets of the packet or message; 0 where there is no one size.
    pub(crate) size: usize,
    /// At most one of each of `Ours` and `Limit`.
    pub(crate) contestants: Vec<Contestant<'a>>,
}

impl Case<'_> {
    /// Leaves the others out.
    pub(crate) fn keep_ours(&mut self) {
        self.contestants.retain(|contestant| contestant.role == Role::Ours);
    }
}

/// Time of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    /// Nanoseconds.
    pub(crate) median: f64,
    /// Half the distance of the quartiles, as a part of the median.
    pub(crate) spread: f64,
}

/// The result of a case.
pub(crate) struct Row {
    pub(crate) bench: &'static str,
    pub(crate) case: String,
    pub(crate) size: usize,
    pub(crate) times: Vec<(&'static str, Role, Time)>,
}

impl Row {
    /// The time of the first contestant in that role.
    pub(crate) fn time(&self, role: Role) -> Option<Time> {
        self.times.iter().find(|(_, r, _)| *r == role).map(|(_, _, time)| *time)
    }
}

/// Runs a case for `budget` of processor time, all contestants together.
pub(crate) fn measure(bench: &'static str, case: Case<'_>, budget: Duration) -> Result<Row> {
    let mut lanes = Vec::new();
    for mut contestant in case.contestants {
        let times = calibrate(&mut contestant)?;
        lanes.push(Lane { contestant, times, samples: Vec::new() });
    }
    let start = now();
    let mut round = 0;
    while round < MIN_ROUNDS || now().saturating_sub(start) < budget {
        let turned = round.checked_rem(lanes.len()).unwrap_or(0);
        let (last, first) = lanes.split_at_mut(turned);
        for lane in first.iter_mut().chain(last) {
            lane.run()?;
        }
        round += 1;
    }
    let times =
        lanes.into_iter().map(|lane| (lane.contestant.name, lane.contestant.role, median(lane.samples)));
    Ok(Row { bench, case: case.name, size: case.size, times: times.collect() })
}

/// Keeps this thread on the core where it may run first, so that caches and clock are those of one core.
pub(crate) fn pin_to_one_core() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    if let Some(core) = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core)) {
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one)?;
    }
    Ok(())
}

/// Octets of memory that the process really has.
pub(crate) fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?;
    Ok(kilobytes << 10)
}

struct Lane<'a> {
    contestant: Contestant<'a>,
    times: u64,
    samples: Vec<f64>,
}

impl Lane<'_> {
    fn run(&mut self) -> Result<()> {
        let took = timed(&mut self.contestant, self.times)?;
        self.samples.push(nanoseconds(took) / self.times as f64);
        Ok(())
    }
}

/// Warms up and finds out how often an operation fits into a batch.
fn calibrate(contestant: &mut Contestant<'_>) -> Result<u64> {
    let mut times = 1;
    loop {
        let took = timed(contestant, times)?;
        if took >= BATCH {
            return Ok(times);
        }
        times *= 2;
    }
}

fn timed(contestant: &mut Contestant<'_>, times: u64) -> Result<Duration> {
    let start = now();
    let elsewhere = (contestant.batch)(times)?;
    Ok(elsewhere.unwrap_or_else(|| now().saturating_sub(start)))
}

/// Processor time of this thread: what other processes take does not count.
/// Processor time of this thread.
pub(crate) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

fn median(mut samples: Vec<f64>) -> Time {
    samples.sort_by(f64::total_cmp);
    let at = |quarters: usize| samples.get(samples.len() * quarters / 4).copied().unwrap_or(f64::NAN);
    Time { median: at(2), spread: (at(3) - at(1)) / 2.0 / at(2) }
}

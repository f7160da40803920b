//! Questions to the person at the terminal: one at a time, each answered by a line on standard input.
//!
//! An answer counts for the question that was asked when the line was waited for, and for no other: what was typed for a
//! call that has ended must not verify the next one.

use std::collections::VecDeque;
use std::future::pending;
use std::io::IsTerminal;
use std::sync::mpsc::{Sender, channel};

use mikey::SessionId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::error::{Error, Result, io_reason};

/// A line, or the end of standard input, and for which question it was waited for.
type Line = (SessionId, std::io::Result<Option<String>>);

/// The person at the terminal.
pub(crate) struct Console {
    questions: VecDeque<(SessionId, String)>,
    reader: Option<Reader>,
    waiting: bool,
}

/// A thread that reads a line when it is asked for one. It may wait for ever, and ends with the process.
struct Reader {
    wanted: Sender<SessionId>,
    lines: UnboundedReceiver<Line>,
}

impl Console {
    /// Nothing is asked and nothing is read yet.
    pub(crate) fn new() -> Self {
        Self { questions: VecDeque::new(), reader: None, waiting: false }
    }

    /// Asks about a call, when everything that was asked before is answered.
    pub(crate) fn ask(&mut self, session: SessionId, question: String) {
        self.questions.push_back((session, question));
        if self.questions.len() == 1 {
            self.prompt();
        }
    }

    /// The call is over: an answer is of no use any more.
    pub(crate) fn forget(&mut self, session: SessionId) {
        let first = self.questions.front().is_some_and(|(asked, _)| *asked == session);
        self.questions.retain(|(asked, _)| *asked != session);
        if first {
            leave_line();
            self.prompt();
        }
    }

    /// Waits for an answer. May be given up at any time without loss.
    ///
    /// # Errors
    /// If there is nobody to answer.
    pub(crate) async fn answer(&mut self) -> Result<(SessionId, bool)> {
        loop {
            let line = match &mut self.reader {
                Some(reader) if self.waiting => reader.lines.recv().await,
                _ => pending().await,
            };
            self.waiting = false;
            let Some((asked, line)) = line else { return Err(nobody("nobody reads standard input")) };
            let Some((current, _)) = self.questions.front() else { continue };
            let line = line.map_err(|error| nobody(&io_reason(&error)))?;
            let line = line.ok_or_else(|| nobody("standard input is at its end"))?;
            match parse(&line) {
                Some(same) if *current == asked => {
                    self.questions.pop_front();
                    self.prompt();
                    return Ok((asked, same));
                }
                Some(_) => eprintln!("mikey: that answer came too late, for a call that has ended"),
                None => eprintln!("mikey: answer y or n"),
            }
            self.prompt();
        }
    }

    /// Shows the first question and waits for a line.
    fn prompt(&mut self) {
        let Some((session, question)) = self.questions.front() else { return };
        eprint!("mikey: {question} [y/n] ");
        if !std::io::stdin().is_terminal() {
            // Nobody types the end of the line.
            eprintln!();
        }
        if !self.waiting {
            // A reader that has ended is noticed where its lines are waited for.
            let _ = self.reader.get_or_insert_with(Reader::start).wanted.send(*session);
            self.waiting = true;
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if !self.questions.is_empty() {
            leave_line();
        }
    }
}

impl Reader {
    fn start() -> Self {
        let (wanted, asked) = channel();
        let (read, lines) = unbounded_channel();
        std::thread::spawn(move || {
            while let Ok(session) = asked.recv() {
                if !read_one(session, &read) {
                    return;
                }
            }
        });
        Self { wanted, lines }
    }
}

/// Reads a line; whether there may be another one.
fn read_one(session: SessionId, to: &UnboundedSender<Line>) -> bool {
    let mut text = String::new();
    let line = std::io::stdin().read_line(&mut text).map(|octets| (octets > 0).then_some(text));
    let more = matches!(line, Ok(Some(_)));
    to.send((session, line)).is_ok() && more
}

/// Nobody typed the end of the line of a question that is of no use any more.
fn leave_line() {
    if std::io::stdin().is_terminal() {
        eprintln!();
    }
}

fn parse(line: &str) -> Option<bool> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

fn nobody(why: &str) -> Error {
    Error::failed(format!("nobody could be asked to compare: {why}"))
        .hint("run it in a terminal, or pipe the answer, y or n, to its standard input")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts() {
        for (line, answer) in
            [("y\n", Some(true)), (" YES ", Some(true)), ("n", Some(false)), ("No\r\n", Some(false))]
        {
            assert_eq!(parse(line), answer, "{line:?}");
        }
        for line in ["", "\n", "yn", "true", "j", "yes please"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}

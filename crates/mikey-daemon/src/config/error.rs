//! What is wrong with a configuration, shown at its place in the file.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

/// A mistake in the configuration, or in a file that it names.
#[derive(Debug)]
pub struct ConfigError(Box<Placed>);

#[derive(Debug)]
struct Placed {
    mistake: Mistake,
    file: NamedSource<String>,
}

/// A mistake before it is known which file it is in.
#[derive(Debug)]
pub(crate) struct Mistake {
    message: String,
    label: String,
    help: Option<String>,
    at: Option<Range<usize>>,
}

impl Mistake {
    /// Without a place.
    pub(crate) fn nowhere(message: String) -> Self {
        Self { at: None, ..Self::at(0..0, message) }
    }

    pub(crate) fn at(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), label: "here".into(), help: None, at: Some(at) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn in_file(self, name: &str, text: &str) -> ConfigError {
        ConfigError(Box::new(Placed { mistake: self, file: NamedSource::new(name, text.to_owned()) }))
    }
}

impl From<toml::de::Error> for Mistake {
    fn from(error: toml::de::Error) -> Self {
        let message = error.message().trim().replace('\n', ": ");
        Self { message, label: "here".into(), help: None, at: error.span() }
    }
}

impl ConfigError {
    /// The mistake with the lines that it is in, underlined. Several lines, without colours.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
        if handler.render_report(&mut report, self).is_err() {
            report = self.to_string();
        }
        report.trim_matches('\n').to_owned()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.mistake.message)
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.mistake.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.mistake.at.as_ref().map(|_| &self.0.file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Mistake { at, label, .. } = &self.0.mistake;
        let at = at.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::at(at, label.clone()))))
    }
}

//! Exit codes, as the contract lists them.
use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Failed,
    Bad,
    /// A device, line, broker or service could not be reached.
    Unreached,
    /// A test or search found something wrong.
    Found,
    Interrupted,
}

/// Why a verb did not end with 0.
#[derive(Debug)]
pub(crate) enum Exit {
    /// Everything has been printed.
    Said(Code),
    /// To be printed in one readable block.
    Because(Code, String),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Failed => 1,
            Code::Bad => 2,
            Code::Unreached => 3,
            Code::Found => 4,
            Code::Interrupted => 130,
        })
    }
}

impl Exit {
    /// Failed while running; the error with its causes.
    pub(crate) fn failed(error: &dyn Error) -> Self {
        Self::Because(Code::Failed, with_causes(error))
    }

    /// The error with its causes, for another exit code than that of a failure.
    pub(crate) fn words(error: &dyn Error) -> String {
        with_causes(error)
    }

    /// A bad configuration or profile: everything that is wrong, a block each.
    pub(crate) fn bad<P: ToString>(problems: &[P]) -> Self {
        Self::Because(Code::Bad, problems.iter().map(P::to_string).collect::<Vec<_>>().join("\n"))
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.contains(&said) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {said}");
        }
        cause = source.source();
    }
    text
}

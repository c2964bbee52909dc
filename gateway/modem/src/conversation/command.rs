//! The commands we give, how long each may take, and what ends one.
use std::time::Duration;

/// Each is given as [`Command::words`], if that is not empty; otherwise where it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Ends whatever an earlier command left, and finds out whether anybody is there.
    Wake,
    /// Nothing is said; late answers pass by.
    Settle,
    EchoOff,
    NumberedErrors,
    Sim,
    PduMode,
    /// Texts and delivery reports are handed over as they come.
    RepliesAndReports,
    Replies,
    Network,
    LteNetwork,
    Strength,
    Submit,
    Body,
    Dial,
    Calls,
    HangUp,
    /// For modems that do not know the newer one.
    HangUpOld,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    Prompt,
    /// In the modem's own words.
    Refused(String),
    Silence,
}

const CALL_ENDS: [&str; 4] = ["NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE"];
/// Words of a modem go into people's rows: so many characters of them.
const WORDS_MOST: usize = 40;

impl Command {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Wake => "AT",
            Self::EchoOff => "ATE0",
            Self::NumberedErrors => "AT+CMEE=1",
            Self::Sim => "AT+CPIN?",
            Self::PduMode => "AT+CMGF=0",
            Self::RepliesAndReports => "AT+CNMI=2,2,0,1",
            Self::Replies => "AT+CNMI=2,2",
            Self::Network => "AT+CREG?",
            Self::LteNetwork => "AT+CEREG?",
            Self::Strength => "AT+CSQ",
            Self::Calls => "AT+CLCC",
            Self::HangUp => "AT+CHUP",
            Self::HangUpOld => "ATH",
            Self::Settle | Self::Submit | Self::Body | Self::Dial => "",
        }
    }

    /// What vendors' manuals give as the longest, rounded; a text waits for the network.
    pub(super) fn within(self) -> Duration {
        match self {
            Self::Settle => Duration::from_millis(200),
            Self::Wake => Duration::from_secs(2),
            Self::Submit | Self::HangUp | Self::HangUpOld => Duration::from_secs(10),
            Self::Body => Duration::from_secs(60),
            Self::Dial => Duration::from_secs(30),
            _ => Duration::from_secs(5),
        }
    }
}

/// Whether this line ends the command under way.
pub(super) fn ending(command: Command, line: &str) -> Option<Ending> {
    let is_refusal = line == "ERROR"
        || line == "COMMAND NOT SUPPORT"
        || line.starts_with("+CME ERROR")
        || line.starts_with("+CMS ERROR")
        || (command == Command::Dial && ends_call(line));
    match command {
        // The escape before it may be refused; only a clear yes counts.
        Command::Wake => (line == "OK").then_some(Ending::Ok),
        Command::Settle => None,
        // An OK here belongs to something earlier.
        Command::Submit if line == "OK" => None,
        _ if line == "OK" => Some(Ending::Ok),
        _ => is_refusal.then(|| Ending::Refused(line.chars().take(WORDS_MOST).collect())),
    }
}

/// A call's end, as an answer or unasked.
pub(super) fn ends_call(line: &str) -> bool {
    CALL_ENDS.contains(&line)
}

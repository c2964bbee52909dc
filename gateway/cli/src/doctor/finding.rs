//! What `doctor` found: one line each, told as soon as it is known, and each that is wrong with the command to type next.
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use shouwang_message::Text;

use crate::exit::{Code, Exit};
use crate::print;

/// Whoever waits longer than this is told for what.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// Worth knowing; nobody need act tonight.
    Notable,
    Wrong,
    /// Somebody did not answer.
    Unreached,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// Which check, for programs.
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) what: Text,
    /// The command to type next.
    pub(crate) next: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, what: Text::new(zh, en), next: None }
    }

    pub(crate) fn notable(check: &'static str, what: (String, String), next: impl Into<String>) -> Self {
        Self::with(check, Verdict::Notable, what, next)
    }

    pub(crate) fn wrong(check: &'static str, what: (String, String), next: impl Into<String>) -> Self {
        Self::with(check, Verdict::Wrong, what, next)
    }

    pub(crate) fn unreached(check: &'static str, what: (String, String), next: impl Into<String>) -> Self {
        Self::with(check, Verdict::Unreached, what, next)
    }

    fn with(check: &'static str, verdict: Verdict, what: (String, String), next: impl Into<String>) -> Self {
        let (zh, en) = what;
        Self { check, verdict, what: Text::new(zh, en), next: Some(next.into()) }
    }

    pub(crate) fn line(&self) -> String {
        let mark = match self.verdict {
            Verdict::Good => '\u{2713}',
            Verdict::Notable => '!',
            Verdict::Wrong | Verdict::Unreached => '\u{2717}',
        };
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("  \u{2192} {next}"));
        format!("{mark} {} · {}{next}", self.what.zh, self.what.en)
    }

    pub(crate) fn object(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Notable => "notable",
            Verdict::Wrong => "wrong",
            Verdict::Unreached => "unreached",
        };
        json!({"check": self.check, "verdict": verdict, "what": self.what, "next": self.next}).to_string()
    }
}

/// All findings of one run, in their order.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, findings: Vec::new() }
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Tells it at once: whoever ends us early keeps what was found.
    pub(crate) fn add(&mut self, finding: Finding) -> Result<(), Exit> {
        print::line(&if self.json { finding.object() } else { finding.line() })?;
        self.findings.push(finding);
        Ok(())
    }

    pub(crate) fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), Exit> {
        findings.into_iter().try_for_each(|finding| self.add(finding))
    }

    /// Waits for this; what takes over two seconds is named on standard error meanwhile.
    pub(crate) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut seconds = 0;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(PATIENCE) => {
                    seconds += PATIENCE.as_secs();
                    eprintln!("… {what} {seconds} s");
                }
            }
        }
    }

    /// The last line, and how the verb ends: what is wrong weighs more than what was not reached.
    pub(crate) fn end(&self) -> Result<(), Exit> {
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (wrong, unreached) = (count(Verdict::Wrong), count(Verdict::Unreached));
        let (good, notable) = (count(Verdict::Good), count(Verdict::Notable));
        let is_healthy = wrong + unreached == 0;
        if self.json {
            let object = json!({"healthy": is_healthy, "good": good, "notable": notable, "wrong": wrong,
                "unreached": unreached});
            print::line(&object.to_string())?;
        } else if is_healthy {
            print::line(&format!(
                "健康:{good} 项良好,{notable} 项请留意 · healthy: {good} good, {notable} worth knowing"
            ))?;
        } else {
            let bad = wrong + unreached;
            print::line(&format!(
                "有 {bad} 项要处理:照每个 \u{2717} 后面的命令做 · {bad} to mend: type what stands behind each \u{2717}"
            ))?;
        }
        match (wrong, unreached) {
            (0, 0) => Ok(()),
            (0, _) => Err(Exit::Said(Code::Unreached)),
            _ => Err(Exit::Said(Code::Found)),
        }
    }
}

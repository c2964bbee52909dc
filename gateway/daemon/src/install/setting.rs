//! The settings that a phone may choose for a serial line, and how they stand in a link.
use shouwang_core::profile::Parity;
use shouwang_installer::{Setting, Settings, Wanted, passes};

const BAUDS: [u32; 7] = [2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
const FRAMES: [(Parity, u8); 4] = [(Parity::None, 1), (Parity::Even, 1), (Parity::Odd, 1), (Parity::None, 2)];
/// What devices that are not at 9600 8N1 are most often at, all of them.
const USUAL: &str = "usual";

/// In a link or a form: `4800-8N1`.
pub(super) fn name(setting: Setting) -> String {
    setting.to_string().replace(' ', "-")
}

/// The setting of this name, if it is one that can be chosen.
pub(super) fn named(said: &str) -> Option<Setting> {
    all().find(|setting| name(*setting) == said)
}

/// What was chosen in the form: one setting, the usual ones, or, saying nothing, the line's own. None for anything else.
pub(super) fn chosen(said: &str, own: Setting) -> Option<Settings> {
    match said {
        "" => Some(vec![own]),
        USUAL => Some(usual().filter(|setting| *setting != own).collect()),
        said => named(said).map(|setting| vec![setting]),
    }
}

/// Each choice beside the line's own: its name and its words. None on TCP.
pub(super) fn choices(own: Setting) -> Vec<(String, String)> {
    let Setting::Serial { .. } = own else { return Vec::new() };
    let words: Vec<String> =
        usual().filter(|setting| *setting != own).map(|setting| setting.to_string()).collect();
    let usual = (USUAL.to_owned(), format!("常见的其它 · the usual others: {}", words.join(", ")));
    let one = all().filter(|setting| *setting != own).map(|setting| (name(setting), setting.to_string()));
    std::iter::once(usual).chain(one).collect()
}

fn all() -> impl Iterator<Item = Setting> {
    BAUDS.into_iter().flat_map(|baud| {
        FRAMES.into_iter().map(move |(parity, stop_bits)| Setting::Serial { baud, parity, stop_bits })
    })
}

/// As a scan at the box tries them.
fn usual() -> impl Iterator<Item = Setting> {
    passes(&Wanted::default())
        .into_iter()
        .flat_map(|pass| pass.settings)
        .fold(Vec::new(), distinct)
        .into_iter()
}

fn distinct(mut known: Settings, setting: Setting) -> Settings {
    if !known.contains(&setting) {
        known.push(setting);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_chosen_is_understood_and_nothing_else() {
        let own = Setting::usual(9600);
        let choices = choices(own);
        assert_eq!(choices.len(), BAUDS.len() * FRAMES.len(), "all but its own, and the usual ones");
        for (said, words) in &choices {
            let settings = chosen(said, own).unwrap();
            assert!(!settings.contains(&own) && settings.iter().all(|one| words.contains(&one.to_string())));
        }
        assert_eq!(chosen("", own), Some(vec![own]));
        let usual: Vec<String> = chosen(USUAL, own).unwrap().into_iter().map(name).collect();
        assert_eq!(usual, ["4800-8N1", "9600-8E1", "19200-8N1", "115200-8N1"]);
        for bad in ["4800 8N1", "300-8N1", "tcp", "9600-8N1\0", "usual "] {
            assert_eq!(chosen(bad, own), None, "{bad}");
        }
        assert!(super::choices(Setting::Tcp { rtu_frames: false }).is_empty());
    }
}

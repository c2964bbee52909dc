//! The profiles that are built into the program; a test holds this list against the folder.

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$((
            concat!($name, ".toml"),
            include_str!(concat!("../../../device-profiles/", $name, ".toml")),
        )),+]
    };
}

/// File name and text.
pub(crate) const SHIPPED: &[(&str, &str)] = shipped![
    "calectro-ug-3",
    "es-ch4-01",
    "generic-qdy30a",
    "greystone-cmd5b4",
    "renke-rs-ws-n01",
    "renke-rs-yg-n01",
    "shouwang-call-button",
    "vega-vegapuls",
    "waveshare-rtu-io-8ch",
    "waveshare-rtu-relay-8ch",
    "wirenboard-wb-mcm8",
];

/// A small, commented profile to begin a new one from: the example of `device-profiles/README.md`.
pub fn template() -> &'static str {
    let readme = include_str!("../../../device-profiles/README.md");
    readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("")
}

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
    "advantech-adam-4051",
    "calectro-ug-3",
    "dfrobot-sen0310",
    "dfrobot-urm15",
    "eletechsup-n4aia04-gas",
    "eletechsup-r4dif08",
    "eletechsup-r4dif08-electrical",
    "es-ch4-01",
    "es-o2-01",
    "es-sd-01",
    "generic-qdy30a",
    "greystone-cmd5b4",
    "igd-toc-635",
    "keller-series-30",
    "md02-hundredths",
    "novabo-sqr-2",
    "peacefair-pzem-004t",
    "renke-rs-ws-n01",
    "renke-rs-ws-n01-tr",
    "renke-rs-yg-n01",
    "sensecap-s-co2-03",
    "sga-combustible-lel",
    "shouwang-call-button",
    "vega-vegapuls",
    "waveshare-rtu-io-8ch",
    "waveshare-rtu-relay-8ch",
    "wirenboard-wb-mcm8",
    "wirenboard-wb-mcm8-leak",
    "wirenboard-wb-msw",
    "xy-md02",
];

/// A small, commented profile to begin a new one from: the example of `device-profiles/README.md`.
pub fn template() -> &'static str {
    let readme = include_str!("../../../device-profiles/README.md");
    readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("")
}

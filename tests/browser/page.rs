//! One page, as its reader has it: what it shows, what it plays, and hands on its keys.
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use shouwang_tests::duty_room::SignedIn;
use shouwang_tests::holds_within;
use shouwang_tests::program::root;

use crate::chromium::Wire;

const LIMIT: Duration = Duration::from_secs(20);

/// Notes the height of each tone given to the audio clock, and the contexts themselves; each key that reached the page;
/// and what the page told its person, which stands for seconds only.
const EAR: &str = "
    window.ear = { tones: [], contexts: [], keys: 0, told: [] };
    addEventListener('keydown', () => { window.ear.keys += 1; }, true);
    addEventListener('DOMContentLoaded', () => {
        const told = document.querySelector('#told');
        const note = () => told.textContent && window.ear.told.push(told.textContent);
        if (told) new MutationObserver(note).observe(told, { childList: true });
    });
    const Real = window.AudioContext;
    window.AudioContext = class extends Real {
        constructor() { super(); window.ear.contexts.push(this); }
        createOscillator() {
            const tone = super.createOscillator();
            const start = tone.start.bind(tone);
            tone.start = (at) => { window.ear.tones.push(Math.round(tone.frequency.value)); start(at); };
            return tone;
        }
    };";

pub(crate) struct Page {
    wire: Rc<RefCell<Wire>>,
    session: String,
}

/// Where a page goes.
pub(crate) trait Place {
    fn address(&self) -> &str;
    fn session(&self) -> Option<(&str, &str)>;
}

impl Place for String {
    fn address(&self) -> &str {
        self
    }
    fn session(&self) -> Option<(&str, &str)> {
        None
    }
}

impl Place for SignedIn {
    fn address(&self) -> &str {
        &self.address
    }
    fn session(&self) -> Option<(&str, &str)> {
        self.cookie.split_once('=')
    }
}

impl Page {
    pub(crate) fn new(wire: Rc<RefCell<Wire>>, session: String) -> Self {
        let page = Self { wire, session };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            page.ask(domain, &json!({}));
        }
        // Each page is a machine of its own: none takes the keys from another.
        page.ask("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
        page.before_scripts(EAR);
        page.resize(1366, 768);
        page
    }

    pub(crate) fn ask(&self, method: &str, params: &Value) -> Value {
        self.wire.borrow_mut().ask(Some(&self.session), method, params)
    }

    /// Opens an address, or one with the session that a person brings.
    pub(crate) fn open(&self, place: &impl Place) {
        if let Some((name, value)) = place.session() {
            let url = place.address();
            self.ask(
                "Network.setCookie",
                &json!({ "url": url, "name": name, "value": value, "sameSite": "Strict" }),
            );
        }
        self.ask("Page.navigate", &json!({ "url": place.address() }));
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Runs this before the scripts of every page to come.
    pub(crate) fn before_scripts(&self, script: &str) {
        self.ask("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let mut said = self.ask(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(said["exceptionDetails"].is_null(), "{expression}: {}", said["exceptionDetails"]);
        said["result"]["value"].take()
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.value(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// An attribute `data-*` of the page as a whole.
    pub(crate) fn state(&self, name: &str) -> String {
        self.value(&format!("document.body.dataset[{}] ?? ''", json!(name)))
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn is_shown(&self, selector: &str) -> bool {
        let shown = format!("document.querySelector({})?.checkVisibility() ?? false", json!(selector));
        self.value(&shown) == true
    }

    /// Waits until an expression holds on a page that is there as a whole: of one that is still being read, or about to
    /// give way to the next, it says nothing.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        self.within(LIMIT, expression);
    }

    #[track_caller]
    pub(crate) fn within(&self, limit: Duration, expression: &str) {
        let settled = format!(
            "(() => {{ try {{ return document.readyState !== 'loading' && ({expression}) }} catch {{ return false }} }})()"
        );
        assert!(
            holds_within(limit, || self.value(&settled) == true),
            "waited {limit:?} in vain: {expression}; the page told {} and says: {}",
            self.value("window.ear?.told ?? []"),
            self.text("body")
        );
    }

    /// Waits until some row shows this text.
    #[track_caller]
    pub(crate) fn until_row(&self, text: &str) {
        self.until(&format!(
            "[...document.querySelectorAll('#rows tr')].some((row) => row.innerText.includes({}))",
            json!(text)
        ));
    }

    pub(crate) fn click(&self, selector: &str) {
        let middle = format!(
            "(() => {{ const it = document.querySelector({}).getBoundingClientRect(); \
             return [it.x + it.width / 2, it.y + it.height / 2]; }})()",
            json!(selector)
        );
        let middle = self.value(&middle);
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event =
                json!({ "type": kind, "x": middle[0], "y": middle[1], "button": button, "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    pub(crate) fn point_at(&self, x: u32, y: u32) {
        self.ask("Input.dispatchMouseEvent", &json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// A key by its place on the keyboard. A Chinese input method says `Process` for all of them. The browser may drop one
    /// between two of its frames, which no keyboard does: it is pressed again until the page had it, or has gone.
    pub(crate) fn press(&self, code: &str) {
        let had = || self.value("[performance.timeOrigin, window.ear?.keys ?? 0]");
        let before = had();
        let arrived = holds_within(LIMIT, || {
            self.strike(code);
            had() != before
        });
        assert!(arrived, "{code} was pressed for {LIMIT:?}, and the page had none of it");
    }

    fn strike(&self, code: &str) {
        let key = match code {
            "Enter" | "Escape" => code,
            _ => "Process",
        };
        let text = if code == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "code": code, "key": key });
            if kind == "keyDown" && code == "Enter" {
                event["text"] = text.into();
                event["windowsVirtualKeyCode"] = 13.into();
            }
            self.ask("Input.dispatchKeyEvent", &event);
        }
    }

    /// Text where the cursor is, as an input method gives it.
    pub(crate) fn write(&self, text: &str) {
        self.ask("Input.insertText", &json!({ "text": text }));
    }

    /// The heights of the tones played since the page was loaded.
    pub(crate) fn tones(&self) -> Vec<u64> {
        let tones = self.value("window.ear.tones");
        tones.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    /// Starts the watch as a person does: press, count the beeps, type their number.
    pub(crate) fn start_watch(&self) {
        self.click("#start");
        self.type_beeps(0, 0);
        self.until("document.body.dataset.sound === 'armed'");
    }

    /// Counts the beeps after the first `before` tones and types a number that is `off` by so many.
    pub(crate) fn type_beeps(&self, before: usize, off: usize) -> usize {
        self.until(&format!("window.ear.tones.length >= {}", before + 2));
        let beeps = self.tones().len() - before;
        self.write(&(beeps + off).to_string());
        before + beeps
    }

    /// A picture of it in both sizes, under `target/artefacts`.
    pub(crate) fn keep_pictures(&self, name: &str) {
        for (width, height) in [(1920, 1080), (1366, 768)] {
            self.keep_picture(name, width, height);
        }
    }

    /// As [`Self::keep_pictures`], at this size alone.
    pub(crate) fn keep_picture(&self, name: &str, width: u32, height: u32) {
        self.resize(width, height);
        // Two frames: the layout of the new size is on the screen.
        self.value(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        );
        let picture = self.ask("Page.captureScreenshot", &json!({}));
        let picture = picture["data"].as_str().unwrap_or_default();
        let picture = base64::engine::general_purpose::STANDARD.decode(picture).expect("a picture");
        let directory: PathBuf = root().join("target/artefacts");
        std::fs::create_dir_all(&directory).expect("target/artefacts");
        std::fs::write(directory.join(format!("{name}-{width}x{height}.png")), picture)
            .expect("a picture's file");
    }

    /// It as a printer gets it, A4 by its own style, under `target/artefacts`.
    pub(crate) fn keep_print(&self, name: &str) {
        let print =
            self.ask("Page.printToPDF", &json!({ "preferCSSPageSize": true, "printBackground": false }));
        let print = print["data"].as_str().unwrap_or_default();
        let print = base64::engine::general_purpose::STANDARD.decode(print).expect("a print");
        assert!(print.starts_with(b"%PDF-"), "{name} is no print");
        std::fs::write(root().join("target/artefacts").join(format!("{name}.pdf")), print).expect("a file");
    }

    /// Neither the scripts nor the policy had anything to complain of; a server that is away is no error here.
    pub(crate) fn assert_no_errors(&self) {
        // What was told before this answer is there now.
        self.value("1");
        let wire = self.wire.borrow();
        let own = wire.events().iter().filter(|event| event["sessionId"] == self.session.as_str());
        let errors: Vec<&Value> = own
            .filter(|event| match event["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Log.entryAdded") => {
                    let entry = &event["params"]["entry"];
                    entry["level"] == "error" && entry["source"] != "network"
                }
                _ => false,
            })
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

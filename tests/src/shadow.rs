//! An engine that was written down and read back in the middle of a run, beside the one that runs: both are given the
//! same, and must order the same at the same moments.
use shouwang_core::configuration::Configuration;
use shouwang_core::engine::Engine;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::Instant;

/// The copy is taken anew now and then, as a recording may begin at any input.
#[derive(Debug)]
pub struct Shadow {
    copy: Option<Engine>,
    inputs: u32,
    /// After so many inputs; a long story takes few.
    anew_at: u32,
}

/// The first time; not a divisor of anything that comes in turns.
const FIRST: u32 = 37;

impl Default for Shadow {
    fn default() -> Self {
        Self { copy: None, inputs: 0, anew_at: FIRST }
    }
}

impl Shadow {
    /// Another engine runs from now on.
    pub fn forget(&mut self) {
        self.copy = None;
    }

    /// Gives the input to both.
    ///
    /// # Panics
    /// They do not order the same.
    pub fn handle(&mut self, engine: &mut Engine, at: Instant, input: &Input) -> Vec<Output> {
        self.both(engine, |engine| engine.handle(at, input.clone()).collect())
    }

    /// Gives another configuration to both.
    ///
    /// # Panics
    /// They do not order the same.
    pub fn configure(
        &mut self,
        engine: &mut Engine,
        at: Instant,
        configuration: &Configuration,
    ) -> Vec<Output> {
        self.both(engine, |engine| engine.configure(at, configuration.clone()).collect())
    }

    fn both(&mut self, engine: &mut Engine, give: impl Fn(&mut Engine) -> Vec<Output>) -> Vec<Output> {
        if self.inputs >= self.anew_at {
            self.anew_at = self.inputs.saturating_mul(2);
            self.copy = None;
        }
        let copy = self.copy.take().unwrap_or_else(|| read_back(engine));
        let copy = self.copy.insert(copy);
        self.inputs += 1;
        let (orders, copied) = (give(engine), give(copy));
        assert_eq!(orders, copied, "an engine that was written down and read back orders something else");
        assert_eq!(engine.next_deadline(), copy.next_deadline(), "and wants to be woken at another moment");
        orders
    }
}

fn read_back(engine: &Engine) -> Engine {
    let written = serde_json::to_vec(engine).expect("an engine can be written down");
    serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)))
}

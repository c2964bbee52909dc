//! The simulation's model of the store against the real one: worlds in which every commit, failure, kill and
//! power cut happens to both, and both must have the same rows, marks and kept state after every start. In the same
//! worlds an engine that was written down and read back must order what the uninterrupted one does. The
//! worlds of the planted build have the model alone.
use shouwang_tests::simulation::{Scenario, Site, live};

#[test]
fn the_model_of_the_store_is_the_store_and_an_engine_read_back_goes_on_as_the_same() {
    let site = Site::default();
    let mut lived = 0;
    for seed in (99..6_000).step_by(100) {
        let scenario = Scenario::new(seed);
        let outcome = live(&site, &scenario, false);
        assert_eq!(outcome.violation, None, "seed {seed}");
        lived += u32::from(scenario.is_on_real_store());
    }
    assert!(lived >= 30, "{lived} worlds had a real store");
}

//! Stories of the board, what must hold whatever happens, and a model of its cases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod alarms;
mod answering;
mod broadcast;
mod call_procedure;
mod cases;
mod cases_model;
mod certificate;
mod changes;
mod cooking;
mod cries;
mod drill;
mod explained;
mod figures;
mod flood;
mod gateways;
mod groups;
mod hearing;
mod judging;
mod ladder;
mod ladder_answers;
mod ladder_property;
mod ladder_restart;
mod late;
mod leader;
mod losses;
mod nobody;
mod nothing_hidden;
mod own_alarm;
mod people;
mod poisons;
mod readings;
mod reconfigured;
mod replaced;
mod report;
mod river_words;
mod self_test;
mod shift;
mod sounder;
mod stations;
mod supervision;
mod takeover;
mod taking_back;
mod testing;
mod triage;
mod walks;
mod welfare;
mod world;

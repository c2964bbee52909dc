//! Other people's implementations as witnesses: what we write they read with the same meaning, and back.
//! Each test names what it leaves out and why.

mod rmodbus_013;
mod tokio_modbus_017;

use modbus_wire::{Ask, Conversation, Request, Step};

use crate::line::FIRST_BYTE_US;

/// What a conversation puts on the wire for one request.
fn outgoing(conversation: &mut Conversation, unit_id: u8, request: Request<'_>) -> Vec<u8> {
    let mut now = 1_000_000_000;
    conversation.reset(now);
    conversation.begin(now, &Ask { unit_id, request, first_byte_us: FIRST_BYTE_US }).expect("a good request");
    while let Step::Wait { until } = conversation.step(now) {
        now = until;
    }
    let frame = conversation.outgoing().to_vec();
    conversation.sent(now);
    frame
}

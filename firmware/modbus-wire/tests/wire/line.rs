//! A line to tell stories on: a conversation, a clock that only moves when told, and the bytes as hex.

use modbus_wire::{Ask, Conversation, Failure, Framing, Micros, Request, Response, Step, Table, Timing};

pub(crate) const FIRST_BYTE_US: u32 = 200_000;

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two hex digits")).collect()
}

pub(crate) fn rtu_frame(unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [0; 256];
    let len = modbus_wire::rtu::encode(unit_id, pdu, &mut frame).expect("a PDU of 1-253 bytes");
    frame[..len].to_vec()
}

pub(crate) fn tcp_frame(transaction: u16, unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [0; 260];
    let len = modbus_wire::tcp::encode(transaction, unit_id, pdu, &mut frame).expect("a PDU of 1-253 bytes");
    frame[..len].to_vec()
}

pub(crate) fn holding(address: u16, count: u16) -> Request<'static> {
    Request::Read { table: Table::HoldingRegister, address, count }
}

/// 9600 8N1 unless said otherwise.
pub(crate) struct Line {
    pub(crate) conversation: Conversation,
    pub(crate) now: Micros,
}

impl Line {
    pub(crate) fn rtu() -> Self {
        Self { conversation: Conversation::new(Framing::Rtu, Timing::serial(9600, 10)), now: 0 }
    }

    pub(crate) fn tcp() -> Self {
        Self { conversation: Conversation::new(Framing::Tcp, Timing::stream()), now: 0 }
    }

    /// Begins and waits until the request may be sent; says how long that took. The request is then sent.
    pub(crate) fn ask(&mut self, unit_id: u8, request: Request<'_>) -> Micros {
        let asked_at = self.now;
        self.begin(unit_id, request);
        while let Step::Wait { until } = self.conversation.step(self.now) {
            assert!(until > self.now, "a deadline lies ahead");
            self.now = until;
        }
        let waited = self.now - asked_at;
        self.send();
        waited
    }

    pub(crate) fn begin(&mut self, unit_id: u8, request: Request<'_>) {
        let ask = Ask { unit_id, request, first_byte_us: FIRST_BYTE_US };
        self.conversation.begin(self.now, &ask).expect("a request that can be asked");
    }

    pub(crate) fn send(&mut self) {
        assert_eq!(self.conversation.step(self.now), Step::Send);
        assert_eq!(self.conversation.outgoing(), self.conversation.request_frame());
        self.now += self.conversation.outgoing().len() as Micros * 1_042;
        self.conversation.sent(self.now);
    }

    /// Bytes come in after so many microseconds.
    pub(crate) fn hears(&mut self, after_us: Micros, bytes: &[u8]) -> &mut Self {
        self.now += after_us;
        self.conversation.received(self.now, bytes);
        self
    }

    /// Nothing more happens until the conversation is done; says how long that took.
    pub(crate) fn waits(&mut self) -> Micros {
        let from = self.now;
        while let Step::Wait { until } = self.conversation.step(self.now) {
            assert!(until > self.now, "a deadline lies ahead");
            self.now = until;
        }
        assert_eq!(self.conversation.step(self.now), Step::Done);
        self.now - from
    }

    pub(crate) fn is_done(&mut self) -> bool {
        self.conversation.step(self.now) == Step::Done
    }

    /// The registers of a good answer.
    pub(crate) fn registers(&mut self) -> Result<Vec<u16>, Failure> {
        assert_eq!(self.conversation.step(self.now), Step::Done);
        match self.conversation.answer()?.response {
            Response::Registers(registers) => Ok(registers.iter().collect()),
            other => panic!("expected registers, got {other:?}"),
        }
    }

    pub(crate) fn failure(&mut self) -> Failure {
        assert_eq!(self.conversation.step(self.now), Step::Done);
        self.conversation.answer().expect_err("a failure")
    }
}

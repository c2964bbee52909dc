//! The few registers of the LM3S6965 that the unit needs (data sheet of the Stellaris LM3S6965, Texas
//! Instruments): clock, pins, UART, watchdog. No decisions.

use core::convert::Infallible;
use core::mem::MaybeUninit;
use core::ptr::{addr_of_mut, read_volatile, write_volatile};
use core::sync::atomic::{AtomicU32, Ordering};

use call_button::board::Port;
use call_button::{Micros, RamFlash};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SYST};
use cortex_m_rt::exception;
use embedded_hal::digital;
use embedded_io::{ErrorKind, Read, ReadReady, Write, WriteReady};

/// The system clock out of reset as QEMU has it: 200 MHz divided by 16.
const CLOCK_HZ: u32 = 12_500_000;
const TICK_HZ: u32 = 1_000;

const SYSTEM_CONTROL: usize = 0x400F_E000;
const WATCHDOG: usize = 0x4000_0000;
const UART0: usize = 0x4000_C000;
const PORT_A: usize = 0x4000_4000;
const PORT_E: usize = 0x4002_4000;
const PORT_F: usize = 0x4002_5000;
const PORT_G: usize = 0x4002_6000;

fn get(address: usize) -> u32 {
    // SAFETY: every address in this file is a register of this chip, aligned and always mapped.
    unsafe { read_volatile(address as *const u32) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as above; one thread writes, and no register here moves memory.
    unsafe { write_volatile(address as *mut u32, value) }
}

fn add(address: usize, bits: u32) {
    set(address, get(address) | bits);
}

/// Gives the peripherals their clock.
pub fn power_up() {
    const WATCHDOG_ON: u32 = 1 << 3;
    const UART0_ON: u32 = 1;
    const PORTS_A_E_F_G_ON: u32 = 1 | 1 << 4 | 1 << 5 | 1 << 6;
    add(SYSTEM_CONTROL + 0x100, WATCHDOG_ON);
    add(SYSTEM_CONTROL + 0x104, UART0_ON);
    add(SYSTEM_CONTROL + 0x108, PORTS_A_E_F_G_ON);
    // The clocks are there three cycles later.
    cortex_m::asm::delay(8);
}

/// The last four bytes of the MAC address in the user registers.
pub fn serial_number() -> u32 {
    let first_three = get(SYSTEM_CONTROL + 0x1E0);
    let last_three = get(SYSTEM_CONTROL + 0x1E4);
    let [_, _, third, _] = first_three.to_le_bytes();
    let [fourth, fifth, sixth, _] = last_three.to_le_bytes();
    u32::from_be_bytes([third, fourth, fifth, sixth])
}

/// What a unit keeps, and a sign that it was put there.
struct Kept {
    sign: u64,
    flash: Memory,
}

type Memory = RamFlash<64>;
const SIGN: u64 = 0x5368_6F75_7761_6E67;

#[unsafe(link_section = ".uninit.kept")]
static mut KEPT: MaybeUninit<Kept> = MaybeUninit::uninit();

/// The memory that a reset leaves alone; new if the power was away. Call it once.
pub fn kept_memory() -> &'static mut Memory {
    let kept = addr_of_mut!(KEPT).cast::<Kept>();
    // SAFETY: the start code does not touch this section, the words are plain integers, and the only
    // reference to them is made here, once, before anything else runs.
    unsafe {
        if read_volatile(addr_of_mut!((*kept).sign)) != SIGN {
            addr_of_mut!((*kept).flash).write(Memory::new());
            write_volatile(addr_of_mut!((*kept).sign), SIGN);
        }
        &mut *addr_of_mut!((*kept).flash)
    }
}

static TICKS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Microseconds since the start.
pub struct Clock {
    seen_ticks: u32,
    ticks: u64,
}

impl Clock {
    pub fn start() -> Self {
        if let Some(mut core) = cortex_m::Peripherals::take() {
            core.SYST.set_clock_source(SystClkSource::Core);
            core.SYST.set_reload(CLOCK_HZ / TICK_HZ - 1);
            core.SYST.clear_current();
            core.SYST.enable_interrupt();
            core.SYST.enable_counter();
        }
        Self { seen_ticks: 0, ticks: 0 }
    }

    pub fn now_us(&mut self) -> Micros {
        let (ticks, left) = loop {
            let ticks = TICKS.load(Ordering::Relaxed);
            let left = SYST::get_current();
            if TICKS.load(Ordering::Relaxed) == ticks {
                break (ticks, left);
            }
        };
        self.ticks += u64::from(ticks.wrapping_sub(self.seen_ticks));
        self.seen_ticks = ticks;
        let cycles = (CLOCK_HZ / TICK_HZ).saturating_sub(left + 1);
        self.ticks * 1000 + u64::from(cycles * 2 / 25)
    }
}

/// One pin of a port.
#[derive(Clone, Copy)]
struct Pin {
    port: usize,
    mask: u32,
}

impl Pin {
    /// The address lines of the data register are its mask.
    fn data(self) -> usize {
        self.port + ((self.mask as usize) << 2)
    }

    fn enable(self, output: bool) {
        if output {
            add(self.port + 0x400, self.mask);
        } else {
            add(self.port + 0x510, self.mask);
        }
        add(self.port + 0x51C, self.mask);
    }
}

/// A switch to ground with the chip's pull-up.
pub struct Input(Pin);

impl Input {
    pub fn port_e(number: u8) -> Self {
        let pin = Pin { port: PORT_E, mask: 1 << number };
        pin.enable(false);
        Self(pin)
    }
}

impl digital::ErrorType for Input {
    type Error = Infallible;
}

impl digital::InputPin for Input {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(get(self.0.data()) != 0)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(get(self.0.data()) == 0)
    }
}

pub struct Output(Pin);

impl Output {
    pub fn port_f(number: u8) -> Self {
        Self::new(PORT_F, number)
    }

    pub fn port_g(number: u8) -> Self {
        Self::new(PORT_G, number)
    }

    fn new(port: usize, number: u8) -> Self {
        let pin = Pin { port, mask: 1 << number };
        pin.enable(true);
        Self(pin)
    }
}

impl digital::ErrorType for Output {
    type Error = Infallible;
}

impl digital::OutputPin for Output {
    fn set_low(&mut self) -> Result<(), Infallible> {
        set(self.0.data(), 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        set(self.0.data(), self.0.mask);
        Ok(())
    }
}

/// UART0, 8N1. Its interrupt only wakes the processor.
pub struct Uart(());

/// What the receiver saw was no byte.
#[derive(Debug)]
pub struct LineError;

impl embedded_io::Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidData
    }
}

impl core::fmt::Display for LineError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("framing error or overrun")
    }
}

impl core::error::Error for LineError {}

const DATA: usize = UART0;
const FLAGS: usize = UART0 + 0x18;
const INTERRUPT_MASK: usize = UART0 + 0x38;
const BUSY: u32 = 1 << 3;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
const RECEIVED: u32 = 1 << 4;
const RECEIVE_TIMEOUT: u32 = 1 << 6;

impl Uart {
    pub fn start() -> Self {
        const RX_AND_TX: u32 = 0b11;
        add(PORT_A + 0x420, RX_AND_TX);
        add(PORT_A + 0x51C, RX_AND_TX);
        set(INTERRUPT_MASK, RECEIVED | RECEIVE_TIMEOUT);
        // SAFETY: the handler below only masks itself; nothing depends on it being masked here.
        unsafe { NVIC::unmask(Interrupt::Uart0) };
        Self(())
    }
}

#[derive(Clone, Copy)]
enum Interrupt {
    Uart0 = 5,
}

// SAFETY: UART0 is interrupt 5 of this chip.
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// A byte came: the main loop is awake now, and it unmasks the interrupt when it has read everything.
#[exception]
unsafe fn DefaultHandler(_number: i16) {
    set(INTERRUPT_MASK, 0);
}

impl embedded_io::ErrorType for Uart {
    type Error = LineError;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, LineError> {
        let ready = get(FLAGS) & RECEIVE_EMPTY == 0;
        if !ready {
            set(INTERRUPT_MASK, RECEIVED | RECEIVE_TIMEOUT);
        }
        Ok(ready)
    }
}

impl Read for Uart {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LineError> {
        let Some(place) = out.first_mut() else { return Ok(0) };
        let [byte, errors, ..] = get(DATA).to_le_bytes();
        if errors & 0x0F != 0 {
            return Err(LineError);
        }
        *place = byte;
        Ok(1)
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, LineError> {
        Ok(get(FLAGS) & TRANSMIT_FULL == 0)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, LineError> {
        let Some(byte) = bytes.first() else { return Ok(0) };
        set(DATA, u32::from(*byte));
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), LineError> {
        while !self.is_drained() {}
        Ok(())
    }
}

impl Port for Uart {
    fn is_drained(&mut self) -> bool {
        get(FLAGS) & BUSY == 0
    }

    fn set_baud(&mut self, baud: u32) {
        const CONTROL: usize = UART0 + 0x30;
        const EIGHT_BITS_AND_FIFO: u32 = 0b11 << 5 | 1 << 4;
        const ENABLE_BOTH_WAYS: u32 = 1 | 1 << 8 | 1 << 9;
        set(CONTROL, 0);
        // 16 samples a bit, and 64ths of a sample: rounded to the nearest.
        let divisor = (CLOCK_HZ * 8 / baud.max(1)).div_ceil(2);
        set(UART0 + 0x24, divisor >> 6);
        set(UART0 + 0x28, divisor & 0x3F);
        set(UART0 + 0x2C, EIGHT_BITS_AND_FIFO);
        set(CONTROL, ENABLE_BOTH_WAYS);
    }
}

/// Interrupts after 4 s without food and resets after 4 s more: an emulator on a busy host stands still
/// for longer than a chip ever does.
pub struct Watchdog(());

impl Watchdog {
    pub fn start() -> Self {
        const INTERRUPT_AND_RESET: u32 = 0b11;
        set(WATCHDOG, CLOCK_HZ * 4);
        set(WATCHDOG + 0x08, INTERRUPT_AND_RESET);
        Self(())
    }
}

impl call_button::board::Watchdog for Watchdog {
    fn feed(&mut self) {
        set(WATCHDOG + 0x0C, 1);
    }
}

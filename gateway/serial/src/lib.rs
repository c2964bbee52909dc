//! A serial port: opened raw, for us alone. Lines, modems and sirens all begin here.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, Termios, ioctl_tiocexcl, tcflush, tcgetattr,
    tcsetattr,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    None,
    Even,
    Odd,
}

/// How the port speaks, with 8 data bits and no flow control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// Bits a second.
    pub baud: u32,
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// Opens the port. What came in before is thrown away.
///
/// # Errors
/// The port is not there, is no serial port, is held by another program, or does not know this speed.
pub fn open_port(path: &Path, speech: Speech) -> io::Result<OwnedFd> {
    // Without NONBLOCK, opening would wait for a carrier that an RS-485 adapter never has, and a modem may not show.
    let port = open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&port)?;
    flock(&port, FlockOperation::NonBlockingLockExclusive)?;
    ioctl_tiocexcl(&port)?;
    settings.make_raw();
    set(&mut settings, speech)?;
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    tcflush(&port, QueueSelector::IOFlush)?;
    Ok(port)
}

/// Has an open port speak in another way from now on. What came in before is thrown away.
///
/// # Errors
/// The port is gone, or does not know this speed.
pub fn speak(port: impl AsFd, speech: Speech) -> io::Result<()> {
    let mut settings = tcgetattr(&port)?;
    set(&mut settings, speech)?;
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    tcflush(&port, QueueSelector::IFlush)?;
    Ok(())
}

fn set(settings: &mut Termios, speech: Speech) -> io::Result<()> {
    let Speech { baud, parity, stop_bits } = speech;
    let control = &mut settings.control_modes;
    control.remove(
        ControlModes::CSIZE
            | ControlModes::PARENB
            | ControlModes::PARODD
            | ControlModes::CSTOPB
            | ControlModes::CRTSCTS,
    );
    control.insert(ControlModes::CS8 | ControlModes::CLOCAL | ControlModes::CREAD);
    control.set(ControlModes::PARENB, parity != Parity::None);
    control.set(ControlModes::PARODD, parity == Parity::Odd);
    control.set(ControlModes::CSTOPB, stop_bits == 2);
    // A byte of wrong parity comes in as 0, and the frame's checksum catches it.
    settings.input_modes.set(InputModes::INPCK, parity != Parity::None);
    settings.input_modes.remove(InputModes::IXOFF);
    settings.set_speed(baud)?;
    Ok(())
}

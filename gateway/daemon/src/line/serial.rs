//! A serial port: opened raw, for us alone.
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
};
use shouwang_core::profile::Parity;

/// Opens the port with 8 data bits and no flow control. What came in before is thrown away.
///
/// # Errors
/// The port is not there, is no serial port, is held by another program, or does not know this speed.
pub(super) fn open_port(path: &Path, baud: u32, parity: Parity, stop_bits: u8) -> io::Result<OwnedFd> {
    // Without NONBLOCK, opening would wait for a carrier that an RS-485 adapter never has.
    let port = open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&port)?;
    flock(&port, FlockOperation::NonBlockingLockExclusive)?;
    ioctl_tiocexcl(&port)?;

    settings.make_raw();
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
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    tcflush(&port, QueueSelector::IOFlush)?;
    Ok(port)
}

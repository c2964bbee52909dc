//! A serial port: opened raw, for us alone. The duty room's desk sounder uses it, too.
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    None,
    Even,
}

/// Opens the port with 8 data bits, 1 stop bit and no flow control. What came in before is thrown away.
///
/// # Errors
/// The port is not there, is no serial port, is held by another program, or does not know this speed.
pub fn open_port(path: &Path, baud: u32, parity: Parity) -> io::Result<OwnedFd> {
    // Without NONBLOCK, opening would wait for a carrier that a modem may never show.
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
    control.set(ControlModes::PARENB, parity == Parity::Even);
    settings.input_modes.set(InputModes::INPCK, parity == Parity::Even);
    settings.input_modes.remove(InputModes::IXOFF);
    settings.set_speed(baud)?;
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    tcflush(&port, QueueSelector::IOFlush)?;
    Ok(port)
}

//! A person at the staff gauge and the sensor disagree: who is believed, and until when.
//!
//! Both may be mistaken, so the person is asked once more before the sensor is doubted. Until that is
//! settled the higher of the two sets the colour.
use core::time::Duration;

use crate::Moment;

/// More than this apart, m, they disagree.
pub const DISAGREEMENT_M: f64 = 0.10;
/// A second reading counts as an answer to the first this long; later it is a first one again.
const SECOND_WITHIN: Duration = Duration::from_secs(3600);

/// Where the two stand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Agreement {
    /// They agree, or only one of them speaks.
    #[default]
    Agreed,
    /// They differ: the person is asked to read once more.
    AskAgain { read_m: f64, sensor_m: f64 },
    /// Two readings by a person agree with each other and not with the sensor.
    SensorDoubted { read_m: f64, sensor_m: f64 },
}

/// One station's disagreement. Readings are taken in the order of their times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Staff {
    agreement: Agreement,
    first: Option<(Moment, f64)>,
}

impl Staff {
    /// A person's reading, and the sensor's newest at that time, if it had one. The answer says what to ask.
    pub fn read(&mut self, at: Moment, read_m: f64, sensor_m: Option<f64>) -> Agreement {
        let Some(sensor_m) = sensor_m else { return self.agreement };
        if apart(read_m, sensor_m) <= DISAGREEMENT_M {
            *self = Self::default();
            return self.agreement;
        }
        let first = self.first.filter(|(then, _)| *then < at && at.since(*then) <= SECOND_WITHIN);
        let confirmed = first.is_some_and(|(_, first_m)| apart(first_m, read_m) <= DISAGREEMENT_M);
        let doubted = matches!(self.agreement, Agreement::SensorDoubted { .. });
        self.agreement = if confirmed || doubted {
            Agreement::SensorDoubted { read_m, sensor_m }
        } else {
            Agreement::AskAgain { read_m, sensor_m }
        };
        self.first = Some((at, read_m));
        self.agreement
    }

    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// The stage that sets the colour: while they disagree the higher of the person's last reading and what
    /// the sensor says now.
    pub fn judged_m(&self, sensor_m: f64) -> f64 {
        match self.agreement {
            Agreement::Agreed => sensor_m,
            Agreement::AskAgain { read_m, .. } | Agreement::SensorDoubted { read_m, .. } => {
                sensor_m.max(read_m)
            }
        }
    }
}

fn apart(one: f64, other: f64) -> f64 {
    // A tenth of a millimetre of grace: 3.51 - 3.41 is not exactly 0.10.
    (one - other).max(other - one) - 1e-4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Moment {
        Moment::from_ms(minute * 60_000)
    }

    #[test]
    fn a_mistyped_reading_is_settled_by_the_second() {
        let mut staff = Staff::default();
        assert!(matches!(staff.read(minute(0), 4.31, Some(3.41)), Agreement::AskAgain { .. }));
        assert_eq!(staff.judged_m(3.42), 4.31, "the higher counts until then");
        assert_eq!(staff.read(minute(3), 3.43, Some(3.42)), Agreement::Agreed);
        assert_eq!(staff.judged_m(3.42), 3.42);
    }

    #[test]
    fn two_readings_alike_make_the_sensor_doubted() {
        let mut staff = Staff::default();
        staff.read(minute(0), 3.60, Some(3.41));
        assert!(matches!(staff.read(minute(5), 3.62, Some(3.41)), Agreement::SensorDoubted { .. }));
        assert_eq!(staff.judged_m(3.41), 3.62);
        assert_eq!(staff.judged_m(3.9), 3.9, "a doubted sensor may still raise");
        assert!(matches!(staff.read(minute(600), 3.9, Some(3.41)), Agreement::SensorDoubted { .. }));
        assert_eq!(staff.read(minute(700), 3.4, Some(3.41)), Agreement::Agreed);
    }

    #[test]
    fn two_that_agree_with_nobody_are_asked_again() {
        let mut staff = Staff::default();
        staff.read(minute(0), 4.31, Some(3.41));
        assert!(matches!(staff.read(minute(3), 3.71, Some(3.41)), Agreement::AskAgain { .. }));
        assert!(matches!(staff.read(minute(200), 3.72, Some(3.41)), Agreement::AskAgain { .. }));
    }

    #[test]
    fn ten_centimetres_are_no_disagreement_and_without_a_sensor_there_is_none() {
        let mut staff = Staff::default();
        assert_eq!(staff.read(minute(0), 3.51, Some(3.41)), Agreement::Agreed);
        assert_eq!(staff.read(minute(1), 9.0, None), Agreement::Agreed);
    }
}

//! The battery's voltage: half of it is on PA7, against the chip's own reference of 1.2 V, so that it is right
//! whatever the supply is. The converter is off between two measurements.

use stm32_metapac::adc::vals::{Ckmode, SampleTime};
use stm32_metapac::gpio::vals::Moder;
use stm32_metapac::{ADC1, GPIOA, VREFINTCAL};

const BATTERY: usize = 7;
const REFERENCE: usize = 13;
/// The supply when the factory measured the reference (data sheet DS12992, embedded voltage reference).
const CALIBRATED_AT_MV: u32 = 3_000;
const FULL_SCALE: u32 = 4_095;
/// No two primary cells have so much: the pin is tied to the supply, and there is no battery.
const NO_BATTERY_MV: u32 = 5_000;
/// Calibration and conversions take less than 100 us.
const MOST_LOOKS: u32 = 10_000;
/// 20 us until the converter's regulator is up, at 16 MHz.
const REGULATOR_CYCLES: u32 = 320;

/// The converter does not answer, or what it says cannot be.
pub struct Broken;

/// In millivolts; `None` without a battery.
pub fn measure() -> Result<Option<u16>, Broken> {
    GPIOA.moder().modify(|modes| modes.set_moder(BATTERY, Moder::ANALOG));
    let measured = power_up().and_then(|()| Ok((convert(REFERENCE)?, convert(BATTERY)?)));
    power_down();
    let (reference, battery) = measured?;
    let calibrated = u32::from(VREFINTCAL.data().read());
    let supply_mv = (CALIBRATED_AT_MV * calibrated).checked_div(reference).ok_or(Broken)?;
    if !(1_500..4_000).contains(&supply_mv) {
        return Err(Broken);
    }
    let battery_mv = 2 * battery * supply_mv / FULL_SCALE;
    Ok(u16::try_from(battery_mv).ok().filter(|_| battery_mv < NO_BATTERY_MV))
}

fn power_up() -> Result<(), Broken> {
    ADC1.cfgr2().write(|clock| clock.set_ckmode(Ckmode::PCLK_DIV2));
    ADC1.ccr().write(|on| on.set_vrefen(true));
    ADC1.cr().write(|on| on.set_advregen(true));
    cortex_m::asm::delay(REGULATOR_CYCLES);
    ADC1.cr().modify(|begin| begin.set_adcal(true));
    wait(|| !ADC1.cr().read().adcal())?;
    // 160.5 cycles of 8 MHz: 20 us, and the reference wants four.
    ADC1.smpr().write(|time| time.set_sample_time(0, SampleTime::CYCLES160_5));
    // Calibrated four of its cycles ago, at least.
    cortex_m::asm::delay(16);
    ADC1.isr().write(|seen| seen.set_adrdy(true));
    ADC1.cr().modify(|begin| begin.set_aden(true));
    wait(|| ADC1.isr().read().adrdy())
}

fn convert(channel: usize) -> Result<u32, Broken> {
    ADC1.isr().write(|seen| {
        seen.set_ccrdy(true);
        seen.set_eoc(true);
    });
    ADC1.chselr().write(|channels| channels.set_chsel(channel, true));
    wait(|| ADC1.isr().read().ccrdy())?;
    ADC1.cr().modify(|begin| begin.set_adstart(true));
    wait(|| ADC1.isr().read().eoc())?;
    Ok(u32::from(ADC1.dr().read().data()))
}

fn power_down() {
    if ADC1.cr().read().aden() {
        ADC1.cr().modify(|begin| begin.set_addis(true));
        // Whether it goes off or not, its regulator is switched off next.
        let _ = wait(|| !ADC1.cr().read().aden());
    }
    ADC1.cr().write(|_| {});
    ADC1.ccr().write(|_| {});
}

fn wait(done: impl Fn() -> bool) -> Result<(), Broken> {
    if (0..MOST_LOOKS).any(|_| done()) { Ok(()) } else { Err(Broken) }
}

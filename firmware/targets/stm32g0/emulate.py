"""The stm32g0 image on an emulated Cortex-M0: see `emulate`. The registers are those of RM0444."""

import struct
import sys

from unicorn import UC_ARCH_ARM, UC_HOOK_CODE, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn import arm_const as arm

MHZ = 16
# An instruction of a Cortex-M0+ takes one cycle or two.
CYCLES_AN_INSTRUCTION = 1.5
BLANK = 2**64 - 1
# A double word that power failed in.
TORN = None
WORDS_A_PAGE = 256
FIRST_PAGE = 12
WFI = 0xBF30
RETURNED_FROM_NMI = 0x1FFF_7800
STACKED = [arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3, arm.UC_ARM_REG_R12,
           arm.UC_ARM_REG_LR]

TIM2, IWDG, PWR, ADC, USART1, FLASH = 0x0000, 0x3000, 0x7000, 0x12400, 0x13800, 0x22000
ISR_FE_ORE, ISR_RXNE, ISR_TC, ISR_TXE = 0x08, 0x20, 0x40, 0x80


class PowerCut(Exception):
    pass


class Chip:
    """One life of the chip, from power-up; `kept` is what its last four pages hold."""

    def __init__(self, image, kept=None):
        self.kept = list(kept) if kept else [BLANK] * (4 * WORDS_A_PAGE)
        self.cut_at = None
        self.operations = 0
        self.cycles = self.seen_us = self.compare_us = self.fed = self.longest_hunger = 0
        self.compared = self.wrong_word = self.nmi_wanted = self.overrun = False
        self.nmis = 0
        self.registers = {}
        self.flash_control = 1 << 31
        self.keys = []
        self.half = None
        self.coming, self.received, self.sent = [], [], []
        self.busy_until = 0
        self.pins, self.driven, self.shown = 0xFFFF, 0, []
        self.battery, self.channel = 1800, 0
        self.deepest = 0x2000_2000
        cpu = self.cpu = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        cpu.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
        cpu.mem_map(0x0800_0000, 0x6000)
        cpu.mem_write(0x0800_0000, image)
        cpu.mem_map(0x2000_0000, 0x2000)
        # Factory data: the unique id, and the reference measured at 3.0 V.
        cpu.mem_map(0x1FFF_7000, 0x1000)
        cpu.mem_write(0x1FFF_7590, bytes(range(12)))
        cpu.mem_write(0x1FFF_75AA, struct.pack("<H", 1650))
        cpu.mmio_map(0x0800_6000, 0x2000, self.read_kept, None, self.write_kept, None)
        cpu.mmio_map(0x4000_0000, 0x30000, self.read, None, self.write, None)
        cpu.mmio_map(0x5000_0000, 0x1000, self.read_pins, None, self.write_pins, None)
        cpu.mmio_map(0xE000_E000, 0x1000, lambda *_: 0, None, self.write_core, None)
        cpu.hook_add(UC_HOOK_CODE, self.step)
        self.sleeps = {at for at in range(0, len(image) - 1, 2)
                       if struct.unpack_from("<H", image, at)[0] == WFI}
        stack, self.at, self.nmi_handler = struct.unpack_from("<3I", image)
        cpu.reg_write(arm.UC_ARM_REG_SP, stack)

    def us(self):
        return int(self.cycles // MHZ)

    def run(self, us):
        self.until = self.cycles + us * MHZ
        while self.cycles < self.until:
            self.cpu.emu_start(self.at | 1, 0xFFFF_FFFF)
            self.at = self.cpu.reg_read(arm.UC_ARM_REG_PC)

    def step(self, cpu, at, _size, _data):
        self.cycles += CYCLES_AN_INSTRUCTION
        self.deepest = min(self.deepest, cpu.reg_read(arm.UC_ARM_REG_SP))
        if at - 0x0800_0000 in self.sleeps:
            while not self.wakes():
                self.cycles = max(self.next_event(), self.cycles + 1)
            cpu.reg_write(arm.UC_ARM_REG_PC, at + 2 | 1)
            if self.cycles >= self.until:
                cpu.emu_stop()
        if self.nmi_wanted:
            self.nmi_wanted = False
            self.nmis += 1
            self.stacked = [cpu.reg_read(one) for one in STACKED], at, cpu.reg_read(arm.UC_ARM_REG_XPSR)
            cpu.reg_write(arm.UC_ARM_REG_LR, RETURNED_FROM_NMI | 1)
            cpu.reg_write(arm.UC_ARM_REG_PC, self.nmi_handler)
        elif at == RETURNED_FROM_NMI:
            values, back, status = self.stacked
            for one, value in zip(STACKED, values):
                cpu.reg_write(one, value)
            cpu.reg_write(arm.UC_ARM_REG_XPSR, status)
            cpu.reg_write(arm.UC_ARM_REG_PC, back | 1)

    def wakes(self):
        now, wanted, flags = self.us(), self.registers.get(USART1, 0), self.usart_flags()
        self.compared |= self.seen_us < self.compare_us <= now
        self.seen_us = now
        return self.compared or flags & wanted & (ISR_RXNE | ISR_TC | ISR_TXE) or self.overrun

    def next_event(self):
        events = [self.compare_us * MHZ] + [at for at, _ in self.coming[:1]]
        if self.busy_until > self.cycles:
            events.append(self.cycles + (self.busy_until - self.cycles - 1) % self.character() + 1)
        return min(event for event in events if event > self.cycles)

    # The line: eight bytes of buffer each way.

    def character(self):
        return self.registers[USART1 + 0x0C] * 10

    def usart_flags(self):
        while self.coming and self.coming[0][0] <= self.cycles:
            _, byte = self.coming.pop(0)
            if len(self.received) < 8:
                self.received.append(byte)
            else:
                self.overrun = True
        queued = max(0, self.busy_until - self.cycles)
        return ((ISR_RXNE if self.received else 0) | (ISR_FE_ORE if self.overrun else 0)
                | (ISR_TC if queued == 0 else 0) | (ISR_TXE if queued < 8 * self.character() else 0))

    def transmit(self, byte):
        control = self.registers[USART1]
        assert control & 0b1001 == 0b1001, "transmitter and port on"
        assert self.registers[USART1 + 8] & 1 << 14, "driver enable by hardware"
        if self.busy_until <= self.cycles:
            # The driver is on for so many sixteenths of a bit before the start bit.
            self.busy_until = self.cycles + (control >> 21 & 0x1F) * self.character() / 160
        self.busy_until += self.character()
        self.sent.append((self.us(), byte))

    # Flash.

    def read_kept(self, _cpu, offset, _size, _data):
        word = self.kept[offset // 8]
        if word is TORN:
            self.nmi_wanted |= not self.wrong_word
            self.wrong_word = True
            return 0xDEAD_BEEF
        return word >> (offset % 8 * 8) & 0xFFFF_FFFF

    def write_kept(self, _cpu, offset, _size, value, _data):
        assert self.flash_control & 1 and not self.flash_control >> 31, "unlocked for programming"
        if offset % 8 == 0:
            self.half = offset, value
            return
        assert self.half[0] == offset - 4 and self.kept[offset // 8] == BLANK
        cut = self.operation()
        self.kept[offset // 8] = TORN if cut else value << 32 | self.half[1]
        self.cycles += 125 * MHZ
        if cut:
            raise PowerCut

    def erase(self, page):
        assert FIRST_PAGE <= page < FIRST_PAGE + 4
        cut = self.operation()
        first = (page - FIRST_PAGE) * WORDS_A_PAGE
        self.kept[first:first + WORDS_A_PAGE] = [TORN if cut else BLANK] * WORDS_A_PAGE
        self.cycles += 40_000 * MHZ
        if cut:
            raise PowerCut

    def operation(self):
        self.operations += 1
        return self.operations == self.cut_at

    # Registers.

    def read(self, _cpu, at, _size, _data):
        if at == TIM2 + 0x24:
            return self.us() & 0xFFFF_FFFF
        if at == TIM2 + 0x10:
            return self.compared << 1
        if at == USART1 + 0x1C:
            return self.usart_flags()
        if at == USART1 + 0x24:
            return self.received.pop(0)
        if at == FLASH + 0x14:
            return self.flash_control
        if at == FLASH + 0x18:
            return self.wrong_word << 31
        if at == ADC:
            # Ready, channels configured, conversion done.
            return 1 | 1 << 13 | 1 << 2
        if at == ADC + 0x40:
            return {7: self.battery, 13: 1500}[self.channel]
        return 0 if at in (FLASH + 0x10, IWDG + 0x0C) else self.registers.get(at, 0)

    def write(self, _cpu, at, _size, value, _data):
        if at == TIM2 + 0x34:
            self.compare_us, self.seen_us = value, self.us()
        elif at == TIM2 + 0x10:
            self.compared &= bool(value & 2)
        elif at == USART1 + 0x20:
            self.overrun &= not value & ISR_FE_ORE
        elif at == USART1 + 0x28:
            self.transmit(value)
        elif at == FLASH + 0x08:
            self.keys = [*self.keys, value][-2:]
            if self.keys == [0x4567_0123, 0xCDEF_89AB]:
                self.flash_control &= ~(1 << 31)
        elif at == FLASH + 0x14:
            assert not self.flash_control >> 31, "unlocked"
            self.flash_control = value
            if value & 1 << 16:
                assert value & 2
                self.erase(value >> 3 & 0x3F)
        elif at == FLASH + 0x18:
            self.wrong_word &= not value >> 31
        elif at == IWDG and value in (0xCCCC, 0xAAAA):
            self.longest_hunger = max(self.longest_hunger, self.us() - self.fed)
            self.fed = self.us()
        elif at == ADC + 0x08:
            # Calibration and disabling are done at once, a conversion too.
            self.registers[at] = 0 if value & 2 else value & ~(1 << 31 | 1 << 2)
        elif at == ADC + 0x28:
            self.channel = value.bit_length() - 1
        else:
            self.registers[at] = value

    def write_core(self, _cpu, at, _size, _value, _data):
        # What is unmasked and pending is looked at in `wakes`; only a reset matters here.
        assert at != 0xD0C, "the program asked for a reset"

    def read_pins(self, _cpu, at, _size, _data):
        return self.pins if at == 0x10 else self.registers.get(0x5000_0000 + at, 0xEBFF_FFFF if at == 0 else 0)

    def write_pins(self, _cpu, at, _size, value, _data):
        if at != 0x18:
            self.registers[0x5000_0000 + at] = value
            return
        before, self.driven = self.driven, (self.driven | value & 0xFFFF) & ~(value >> 16)
        if before != self.driven:
            self.shown.append((self.us(), self.driven >> 5 & 1, self.driven >> 6 & 1, self.operations))

    # Hands.

    def hold(self, pin, us):
        self.pins &= ~(1 << pin)
        self.run(us)
        self.pins |= 1 << pin
        self.run(60_000)

    def ask(self, request):
        """The answer in hex, and the microseconds from the request's end to the write of its first byte."""
        frame = bytes.fromhex(request)
        frame += crc(frame)
        begin, character = self.cycles, self.character()
        self.coming = [(begin + (index + 1) * character, byte) for index, byte in enumerate(frame)]
        end = self.coming[-1][0]
        self.sent = []
        self.run((end - begin) / MHZ + 50_000)
        while self.busy_until > self.cycles:
            self.run(5_000)
        answer = bytes(byte for _, byte in self.sent)
        assert not answer or answer[-2:] == crc(answer[:-2])
        return answer[:-2].hex(" "), self.sent[0][0] - end / MHZ if self.sent else None


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def started(image, kept=None):
    chip = Chip(image, kept)
    chip.run(100_000)
    return chip


def a_call_from_the_press_to_somebody_coming(image):
    chip = started(image)
    everything, began = chip.ask("01 04 00 00 00 0d")
    assert everything == ("01 04 1a 00 01 00 01 4a 50 99 59 00 00 00 00 00 01 ff ff ff ff "
                          "0b 55 00 00 00 00 00 00"), everything
    assert 3_646 <= began <= 4_646, began
    before = chip.operations
    chip.hold(0, 60_000)
    # Both halves of the record are in flash when the lamp begins to call.
    lit = next(shown for shown in chip.shown if shown[3] > before)
    assert lit[1] == 1 and lit[3] == before + 2, lit
    assert chip.ask("01 02 00 00 00 06")[0] == "01 02 01 02"
    assert chip.ask("01 06 00 00 00 01")[0] == "01 06 00 00 00 01"
    assert chip.ask("01 02 00 00 00 06")[0] == "01 02 01 00"
    assert chip.ask("01 06 00 01 00 03")[0] == "01 06 00 01 00 03"
    chip.hold(1, 60_000)
    assert chip.ask("01 04 00 05 00 01")[0] == "01 04 02 00 01"
    chip.pins &= ~(1 << 4)
    chip.run(10_000)
    assert chip.ask("01 02 00 00 00 06")[0] == "01 02 01 08"
    print(f"a call: answered {began - 3_646:.0f} us after 3.5 characters; "
          f"stack {0x2000_2000 - chip.deepest}; fed at least every {chip.longest_hunger} us")


def settings_act_after_the_answer(image):
    chip = started(image)
    assert chip.ask("01 06 07 d0 00 0c")[0] == "01 06 07 d0 00 0c"
    assert chip.ask("01 04 00 00 00 01")[0] == ""
    assert chip.ask("0c 06 07 d1 00 00")[0] == "0c 06 07 d1 00 00"
    assert chip.registers[USART1 + 0x0C] == 6_667
    assert chip.ask("0c 03 07 d0 00 02")[0] == "0c 03 04 00 0c 00 00"
    chip = started(image, chip.kept)
    assert chip.ask("0c 03 07 d0 00 02")[0] == "0c 03 04 00 0c 00 00"
    print("settings: kept, and acted after their answer")


def battery_and_no_battery(image):
    for measured, told in ((1_600, "0a 12"), (4_095, "ff ff"), (0, "00 00")):
        chip = Chip(image)
        chip.battery = measured
        chip.run(100_000)
        assert chip.ask("01 04 00 09 00 01")[0] == "01 04 02 " + told
    print("battery: measured, empty, not fitted")


def power_cut_in_every_flash_operation(image):
    """A press, its echo and another press, while the page of the counters becomes full."""
    nearly_full = [BLANK] * (4 * WORDS_A_PAGE)
    # Unit id 1, 9600 baud; then seven presses, all echoed, and many starts.
    nearly_full[0:2] = record(0, 1, struct.pack("<BBB5x", 1, 1, 2))
    for index in range(WORDS_A_PAGE // 2 - 2):
        first = 2 * WORDS_A_PAGE + 2 * index
        nearly_full[first:first + 2] = record(2, index + 1, struct.pack("<BBHHH", 1, 0, 7, 0, index))
    chip = Chip(image, nearly_full)
    assert two_presses(chip) == 9
    erased = chip.kept[3 * WORDS_A_PAGE:].count(BLANK)
    assert erased == WORDS_A_PAGE - 4, "the other page took the echo and the second press"
    for cut in range(1, chip.operations + 1):
        half = Chip(image, nearly_full)
        half.cut_at = cut
        pressed = two_presses(half)
        after = started(image, half.kept)
        presses = int(after.ask("01 04 00 04 00 01")[0][-5:].replace(" ", ""), 16)
        # What the lamp said is kept; a press that it had not told yet may be.
        assert presses in (pressed, pressed + 1), f"cut {cut}: {presses}, told {pressed}"
        after.hold(0, 60_000)
        assert after.ask("01 02 00 01 00 01")[0] == "01 02 01 01", f"cut {cut}"
        assert after.ask("01 04 00 0a 00 01")[0] == "01 04 02 00 00", f"cut {cut}"
    print(f"power cut in each of {chip.operations} flash operations: no press lost that the lamp had told")


def two_presses(chip):
    """The count that the lamp has told when the power is cut, or at the end."""
    told = 7
    try:
        chip.run(150_000)
        for count in (8, 9):
            chip.hold(0, 60_000)
            told = count
            if count == 8:
                chip.ask("01 06 00 00 00 08")
    except PowerCut:
        pass
    return told


def record(first_page, sequence, payload):
    """As the library writes it: the payload, then its number and its checksum, also inverted."""
    check = struct.unpack("<H", crc(payload + struct.pack("<IB", sequence, first_page)))[0]
    return [struct.unpack("<Q", payload)[0], (~check & 0xFFFF) << 48 | check << 32 | sequence]


def main():
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    a_call_from_the_press_to_somebody_coming(image)
    settings_act_after_the_answer(image)
    battery_and_no_battery(image)
    power_cut_in_every_flash_operation(image)


main()

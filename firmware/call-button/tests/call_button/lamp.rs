//! No lamp state that lies.

use call_button::{Display, Flash, FlashError, Inputs};

use crate::world::{Memory, World, world};

#[test]
fn the_lamp_follows_a_call_from_the_press_to_the_end() {
    let mut world = world();
    assert_eq!(world.display(), Display::Idle);
    world.press(60);
    assert_eq!(world.display(), Display::Calling);
    world.echo(1);
    assert_eq!(world.display(), Display::Calling, "committed by a gateway is not heard by a duty room");
    for (state, display) in
        [(1, Display::Heard), (2, Display::Seen), (3, Display::Coming), (0, Display::Idle)]
    {
        world.indicate(state);
        assert_eq!(world.display(), display);
    }
}

#[test]
fn a_new_press_is_calling_whatever_was_said_about_the_old_one() {
    let mut world = world();
    world.press(60);
    world.echo(1);
    world.indicate(3);
    world.press(60);
    assert_eq!(world.display(), Display::Calling);
    for stale in [0, 1, 2, 3] {
        world.indicate(stale);
        assert_eq!(world.display(), Display::Calling, "{stale} was said before the press was read");
        assert_eq!(world.holding(1), stale, "and is read back all the same");
    }
    world.echo(2);
    assert_eq!(world.display(), Display::Calling);
    world.indicate(1);
    assert_eq!(world.display(), Display::Heard);
}

#[test]
fn finished_said_before_the_press_was_taken_is_not_idle() {
    let mut world = world();
    world.press(60);
    world.indicate(0);
    assert_eq!(world.display(), Display::Calling);
    world.echo(1);
    assert_eq!(world.display(), Display::Calling);
    world.indicate(0);
    assert_eq!(world.display(), Display::Idle);
}

#[test]
fn a_cancelled_second_press_leaves_the_first_as_it_was() {
    let mut world = world();
    world.press(60);
    world.echo(1);
    world.indicate(2);
    world.press(60);
    world.cancel();
    assert_eq!(world.display(), Display::Seen, "a person is still busy with the first");
}

#[test]
fn after_a_reset_an_open_call_is_neither_idle_nor_known() {
    let mut world = world();
    world.press(60);
    world.echo(1);
    world.indicate(2);
    let mut world = world.restart();
    assert_eq!(world.display(), Display::Fault, "the gateway has not said anything since");
    world.indicate(2);
    assert_eq!(world.display(), Display::Seen);
    world.indicate(0);
    assert_eq!(world.display(), Display::Idle);
}

#[test]
fn a_unit_that_nobody_asks_does_not_look_well() {
    let mut world = world();
    world.run(29_000);
    assert_eq!(world.display(), Display::Idle);
    world.run(2_000);
    assert_eq!(world.display(), Display::Fault);
    world.ask_at(13, "04 00 00 00 01");
    assert_eq!(world.display(), Display::Fault, "somebody else was asked");
    world.ask("04 00 00 00 0D");
    assert_eq!(world.display(), Display::Idle);
    world.press(60);
    world.run(60_000);
    assert_eq!(world.display(), Display::Calling, "the line is down and the call stays");
}

/// Flash that shows what the lamp was when it was written.
struct Watched {
    memory: Memory,
    refuses: bool,
    programmed: usize,
}

impl Flash for Watched {
    const PAGE_WORDS: usize = Memory::PAGE_WORDS;
    fn read(&self, word: usize) -> Result<u64, FlashError> {
        self.memory.read(word)
    }
    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        if self.refuses {
            return Err(FlashError::Failed);
        }
        self.programmed += 1;
        self.memory.program(word, value)
    }
    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        if self.refuses { Err(FlashError::Failed) } else { self.memory.erase(page) }
    }
}

#[test]
fn the_press_is_in_flash_when_the_lamp_begins_to_call() {
    let mut world = World::start(Watched { memory: Memory::new(), refuses: false, programmed: 0 });
    world.inputs.button = true;
    let before = world.unit.flash().programmed;
    while world.display() != Display::Calling {
        assert_eq!(world.unit.flash().programmed, before);
        world.run(1);
    }
    assert_eq!(world.unit.flash().programmed, before + 2, "one record");
    let after_a_cut = World::start(world.unit.flash().memory.clone());
    assert!(after_a_cut.latched());
}

#[test]
fn flash_that_refuses_is_a_fault_and_the_call_goes_on() {
    let mut world = World::start(Watched { memory: Memory::new(), refuses: true, programmed: 0 });
    assert_eq!(world.input(10), 0b10, "the start could not be counted");
    world.press(60);
    assert_eq!((world.presses(), world.latched(), world.display()), (1, true, Display::Calling));
    assert_eq!(world.ask_at(1, "06 07 D0 00 0C"), "86 04", "a unit id that cannot be kept is not taken");
    assert_eq!(world.unit.settings().unit_id(), 1);
    let mut flash = world.unit.into_flash();
    flash.refuses = false;
    let mut world = World::start(flash);
    assert_eq!(world.presses(), 0, "lost with the power, as the fault said");

    world.unit.tick(world.now, Inputs::default());
    assert_eq!(world.input(10), 0);
}

#[test]
fn flash_that_recovers_gets_the_press() {
    use std::cell::Cell;
    struct Moody<'a>(Memory, &'a Cell<bool>);
    impl Flash for Moody<'_> {
        const PAGE_WORDS: usize = Memory::PAGE_WORDS;
        fn read(&self, word: usize) -> Result<u64, FlashError> {
            self.0.read(word)
        }
        fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
            if self.1.get() { Err(FlashError::Failed) } else { self.0.program(word, value) }
        }
        fn erase(&mut self, page: usize) -> Result<(), FlashError> {
            self.0.erase(page)
        }
    }
    let refuses = Cell::new(false);
    let mut world = World::start(Moody(Memory::new(), &refuses));
    refuses.set(true);
    world.press(60);
    assert_eq!(world.input(10), 0b10);
    refuses.set(false);
    world.run(10_000);
    assert_eq!(world.input(10), 0);
    assert!(world.restart().latched());
}

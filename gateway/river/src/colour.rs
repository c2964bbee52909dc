//! The four colours of the national water-level warning signals, and none.

/// The higher, the worse; they compare in that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Colour {
    #[default]
    None,
    /// Near the warning line: the station's own value, or its design line.
    Blue,
    /// At or above the warning line (警戒).
    Yellow,
    /// At or above the guarantee line (保证).
    Orange,
    /// At or above the highest on record (历史最高).
    Red,
}

impl Colour {
    pub const ALL: [Self; 5] = [Self::None, Self::Blue, Self::Yellow, Self::Orange, Self::Red];

    /// As documents and style sheets call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }

    /// As people call it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::None => "无",
            Self::Blue => "蓝",
            Self::Yellow => "黄",
            Self::Orange => "橙",
            Self::Red => "红",
        }
    }
}

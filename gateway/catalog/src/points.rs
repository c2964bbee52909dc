//! From a point as written to a point that can be decoded, or what is wrong with it.
use shouwang_core::profile::{Kind, Measures, Point, PollClass, Scale, Table, WordOrder};
use shouwang_core::units;
use shouwang_message::Text;

use crate::problem::instead;
use crate::strict::{Document, Step};
use crate::written::{ByteWord, MeasuresWord, PointPart, PollWord, TypeWord};

/// All points, in the order written. With problems, the result only serves to check the rest.
pub(crate) fn points(document: &mut Document, written: &[PointPart]) -> Vec<Point> {
    let points: Vec<Point> =
        written.iter().enumerate().map(|(index, part)| point(document, written, index, part)).collect();
    for (index, part) in written.iter().enumerate() {
        let at = |key| [Step::Key("point"), Step::Index(index), Step::Key(key)];
        name(document, &at("name"), &part.name);
        if written.iter().take(index).any(|earlier| earlier.name == part.name) {
            let name = &part.name;
            document.problem(
                &at("name"),
                Text::new(format!("数据点 `{name}` 写了两次"), format!("the point `{name}` is there twice")),
                Text::new("请给它另一个名字", "give it another name"),
            );
        }
        let decimals = part.scale.decimals_from.as_ref();
        if let Some(from) = decimals {
            let path =
                [Step::Key("point"), Step::Index(index), Step::Key("scale"), Step::Key("decimals_from")];
            let found = named(document, &path, &points, from);
            let sound = found.and_then(|found| points.get(found)).is_none_or(|from| {
                matches!(from.kind, Kind::U16 | Kind::HighByte | Kind::LowByte | Kind::Bits { .. })
                    && is_plain(&from.scale)
            });
            if !sound {
                document.problem(
                    &path,
                    Text::new(
                        "小数位数必须来自未换算的无符号整数",
                        "a count of decimals must be an unscaled u16",
                    ),
                    Text::new("请指向另一个数据点", "name another point"),
                );
            }
        }
    }
    points
}

/// The index of a point that the file speaks of by name.
pub(crate) fn named(
    document: &mut Document,
    path: &[Step<'_>],
    points: &[Point],
    name: &str,
) -> Option<usize> {
    let found = points.iter().position(|point| point.name == name);
    if found.is_none() {
        let shown: String = name.chars().take(40).collect();
        document.problem(
            path,
            Text::new(format!("没有叫 `{shown}` 的数据点"), format!("there is no point named `{shown}`")),
            instead(&shown, points.iter().map(|point| point.name.as_str())),
        );
    }
    found
}

/// Names that become part of topics, keys and file names.
pub(crate) fn name(document: &mut Document, path: &[Step<'_>], name: &str) {
    let sound = !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !sound {
        document.problem(
            path,
            Text::new("这个名字不能用", "this name cannot be used"),
            Text::new("只用小写字母、数字和 _,最多 32 个", "use small letters, digits and _, at most 32"),
        );
    }
}

/// The raw value is the value.
pub(crate) fn is_plain(scale: &Scale) -> bool {
    scale.numerator == scale.denominator
        && scale.offset == 0.0
        && scale.decimals_from.is_none()
        && !scale.unit_from_device
}

fn point(document: &mut Document, all: &[PointPart], index: usize, part: &PointPart) -> Point {
    let table = Table::from(part.table);
    let at = |key| [Step::Key("point"), Step::Index(index), Step::Key(key)];
    let kind = kind(document, index, part, table);
    let point = Point {
        name: part.name.clone(),
        title: (&part.title).into(),
        table,
        address: part.address,
        vendor_address: part.vendor_address.clone(),
        kind,
        scale: Scale {
            numerator: part.scale.numerator,
            denominator: part.scale.denominator.max(1),
            offset: part.scale.offset,
            decimals_from: part
                .scale
                .decimals_from
                .as_ref()
                .and_then(|from| all.iter().position(|point| point.name == *from)),
            unit_from_device: part.scale.unit_from_device,
        },
        decimals: part.decimals,
        unit: part.unit.clone(),
        range: part.range.map(|[low, high]| (low, high)),
        error_values: part.error_values.iter().map(|error| (error.raw, error.means.into())).collect(),
        poll: match part.poll {
            PollWord::Alarm => PollClass::Alarm,
            PollWord::State => PollClass::State,
            PollWord::Slow => PollClass::Slow,
        },
        meanings: part.meanings.iter().map(|meaning| (meaning.raw, (&meaning.title).into())).collect(),
        frozen: part.frozen,
        measures: match part.measures {
            None => Measures::Itself,
            Some(MeasuresWord::Depth) => Measures::Depth,
            Some(MeasuresWord::Distance) => Measures::Distance,
        },
        writable: part.writable,
    };
    if point.span().end > 65_536 {
        document.problem(
            &at("address"),
            Text::new("数据超出地址 65535", "it reaches beyond address 65535"),
            Text::new("请检查地址和长度", "check the address and the length"),
        );
    }
    numbers(document, index, part, &point);
    point
}

/// Scale, range, error values, meanings, writing: what a number allows.
fn numbers(document: &mut Document, index: usize, part: &PointPart, point: &Point) {
    let mut refuse = |key: &'static str, wrong: bool, what: Text, remedy: Text| {
        if wrong {
            document.problem(&[Step::Key("point"), Step::Index(index), Step::Key(key)], what, remedy);
        }
    };
    let stateful = matches!(point.kind, Kind::Bool { .. } | Kind::Ascii { .. });
    let bits = 16 * u32::from(point.kind.width());
    refuse(
        "scale",
        point.scale.numerator == 0,
        Text::new("换算比例不能是 0", "a scale of 0 makes every value 0"),
        Text::new(
            "请写 numerator = 1, denominator = 10 这样的分数",
            "write a fraction like numerator = 1, denominator = 10",
        ),
    );
    refuse(
        "scale",
        (stateful || !point.meanings.is_empty()) && !is_plain(&point.scale),
        Text::new("状态和文字不能换算", "states and texts have no scale"),
        Text::new("请删除 scale", "delete `scale`"),
    );
    refuse(
        "range",
        part.range.is_some_and(|[low, high]| low >= high),
        Text::new("范围的下限不低于上限", "the range's low end is not below its high end"),
        Text::new("请写 range = [低, 高]", "write range = [low, high]"),
    );
    refuse(
        "range",
        part.range.is_some() && stateful,
        Text::new("状态和文字没有范围", "states and texts have no range"),
        Text::new("请删除 range", "delete `range`"),
    );
    let too_wide = |raw: u32| bits < 32 && raw >> bits != 0;
    refuse(
        "error_values",
        part.error_values.iter().any(|error| too_wide(error.raw)),
        Text::new("error_values 的值超过这个类型的位数", "an error value has more bits than the type"),
        Text::new("16 位最多 0xFFFF", "16 bits go up to 0xFFFF"),
    );
    refuse(
        "meanings",
        !part.meanings.is_empty() && (stateful || matches!(point.kind, Kind::F32(_))),
        Text::new("这个类型不能有 meanings", "this type cannot have meanings"),
        Text::new("meanings 只用于整数", "meanings are for whole numbers"),
    );
    let repeated = part.meanings.iter().enumerate().any(|(nth, meaning)| {
        too_wide(meaning.raw) || part.meanings.iter().take(nth).any(|earlier| earlier.raw == meaning.raw)
    });
    refuse(
        "meanings",
        repeated,
        Text::new("meanings 里有重复或太大的值", "a meaning's value is there twice, or too large"),
        Text::new("每个值只写一次", "write each value once"),
    );
    refuse(
        "measures",
        part.measures.is_some() && (stateful || part.unit.as_deref() != Some("m")),
        Text::new("measures 只用于以米为单位的数值", "`measures` is for numbers in metres"),
        Text::new("请写 unit = \"m\"", "write unit = \"m\""),
    );
    let convertible = part.unit.as_deref().is_some_and(|unit| units::names().any(|name| name == unit));
    refuse(
        "scale",
        part.scale.unit_from_device && !convertible,
        Text::new(
            "unit_from_device 需要一个可换算的 unit",
            "`unit_from_device` needs a `unit` that can be converted to",
        ),
        Text::new("请写 unit = \"m\"", "write unit = \"m\""),
    );
    refuse(
        "frozen",
        part.frozen && matches!(point.kind, Kind::Ascii { .. } | Kind::F32(_)),
        Text::new("只有整数和状态可以冻结", "only whole numbers and states can be frozen"),
        Text::new("请删除 frozen", "delete `frozen`"),
    );
    let writable = match point.table {
        Table::Coil => true,
        Table::HoldingRegister => {
            point.kind.width() == 1 && !matches!(point.kind, Kind::Bool { bit: Some(_), .. })
        }
        Table::DiscreteInput | Table::InputRegister => false,
    };
    refuse(
        "writable",
        part.writable && !writable,
        Text::new("这个数据点不能写", "this point cannot be written"),
        Text::new("只有线圈和单个保持寄存器可写", "only coils and single holding registers can"),
    );
}

/// The type, and the keys that belong to it and to no other.
fn kind(document: &mut Document, index: usize, part: &PointPart, table: Table) -> Kind {
    let mut tell = |key: &'static str, what: Text, remedy: Text| {
        document.problem(&[Step::Key("point"), Step::Index(index), Step::Key(key)], what, remedy);
    };
    if table.is_bits() && part.kind != TypeWord::Bool {
        tell(
            "type",
            Text::new("线圈和离散输入只能是 bool", "coils and discrete inputs can only be bool"),
            Text::new("请写 type = \"bool\",或改 table", "write type = \"bool\", or another table"),
        );
    }
    let wide = matches!(part.kind, TypeWord::U32 | TypeWord::I32 | TypeWord::F32);
    let is = |kind: TypeWord| part.kind == kind;
    let belongs = [
        ("word_order", part.word_order.is_some(), wide, wide),
        ("active_when", part.active_when.is_some(), is(TypeWord::Bool), is(TypeWord::Bool)),
        ("bit", part.bit.is_some(), is(TypeWord::Bool) && !table.is_bits(), false),
        ("byte", part.byte.is_some(), is(TypeWord::U16), false),
        ("shift", part.shift.is_some(), is(TypeWord::Bits), is(TypeWord::Bits)),
        ("width", part.width.is_some(), is(TypeWord::Bits), is(TypeWord::Bits)),
        ("registers", part.registers.is_some(), is(TypeWord::String), is(TypeWord::String)),
    ];
    for (key, there, allowed, needed) in belongs {
        if there && !allowed {
            tell(
                key,
                Text::new(
                    format!("这个类型和表没有 `{key}`"),
                    format!("this type and table have no `{key}`"),
                ),
                Text::new("请删除它", "delete it"),
            );
        } else if needed && !there {
            let remedy = match key {
                "word_order" => Text::new("请写 ABCD、CDAB、DCBA 或 BADC", "write ABCD, CDAB, DCBA or BADC"),
                "active_when" => {
                    Text::new("请写 1 或 0:哪个值表示“是”", "write 1 or 0: which value means yes")
                }
                _ => Text::new(format!("请写 {key} = ..."), format!("write {key} = ...")),
            };
            tell("type", Text::new(format!("缺少 `{key}`"), format!("`{key}` is missing")), remedy);
        }
    }
    let order = part.word_order.map_or(WordOrder::Abcd, WordOrder::from);
    let (shift, width) = (part.shift.unwrap_or(0), part.width.unwrap_or(1));
    if is(TypeWord::Bits) && shift + width > 16 {
        tell(
            "width",
            Text::new("位段超出寄存器", "the bits reach beyond the register"),
            Text::new("shift + width 最多 16", "shift + width is at most 16"),
        );
    }
    match part.kind {
        TypeWord::Bool => Kind::Bool { bit: part.bit, active_when: part.active_when == Some(1) },
        TypeWord::U16 => match part.byte {
            None => Kind::U16,
            Some(ByteWord::High) => Kind::HighByte,
            Some(ByteWord::Low) => Kind::LowByte,
        },
        TypeWord::I16 => Kind::I16,
        TypeWord::U32 => Kind::U32(order),
        TypeWord::I32 => Kind::I32(order),
        TypeWord::F32 => Kind::F32(order),
        TypeWord::Bits => Kind::Bits { shift, width },
        TypeWord::Bcd => Kind::Bcd,
        TypeWord::String => Kind::Ascii { registers: part.registers.unwrap_or(1) },
    }
}

//! Words for people: titles in two languages, and where something is.
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The same words in Chinese and in English; Chinese is shown first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub zh: String,
    pub en: String,
}

impl Text {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// Where a device is: building > entrance (单元) > room, and the grid that answers for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Place {
    /// As people say it: the place's own name, or its parts; none if nothing is known of it.
    pub fn words(&self) -> Option<String> {
        let name = self.name.as_ref().filter(|name| !name.trim().is_empty());
        name.cloned().or_else(|| self.parts())
    }

    /// Building, entrance and room, without the name that an installer wrote: `3号楼2单元402`. A number or letter gets
    /// its word, `3` becomes 3号楼; 东楼 is a name already.
    pub fn parts(&self) -> Option<String> {
        let mut words = String::new();
        for (part, suffix) in [(&self.building, "号楼"), (&self.entrance, "单元"), (&self.room, "")] {
            let Some(part) = part.as_ref().filter(|part| !part.is_empty()) else { continue };
            words.push_str(part);
            if part.chars().all(|c| c.is_ascii_alphanumeric()) {
                words.push_str(suffix);
            }
        }
        (!words.is_empty()).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_name_or_its_parts() {
        let parts = Place {
            building: Some("3".into()),
            entrance: Some("东门".into()),
            room: Some("402".into()),
            ..Place::default()
        };
        assert_eq!(parts.words().as_deref(), Some("3号楼东门402"));
        let named = Place { name: Some("青石桥".into()), ..parts };
        assert_eq!(named.words().as_deref(), Some("青石桥"));
        assert_eq!(named.parts().as_deref(), Some("3号楼东门402"));
        assert_eq!(Place::default().words(), None);
    }
}

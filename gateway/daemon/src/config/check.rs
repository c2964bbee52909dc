//! What all checks share: complaints at a place of the file, ids, words, and files.
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use shouwang_catalog::closest;
use shouwang_catalog::strict::{Document, Step};
use shouwang_message::{Id, Text};

/// A text on a page: at most 64 characters (S13). Invisible ones are refused with the file already.
const TEXT_CHARS: usize = 64;

/// One file under check.
#[derive(Debug)]
pub(super) struct Check<'d> {
    pub(super) document: &'d mut Document,
    /// Relative paths start at the configuration's own directory.
    pub(super) directory: &'d Path,
    /// Whether the files it names are looked at: not in a replay on another machine.
    pub(super) look_at_files: bool,
}

/// Where something is in the file.
pub(super) type At<'s> = &'s [Step<'s>];

/// Names that were given, with the line of their first use.
pub(super) type Taken<K> = BTreeMap<K, usize>;

impl Check<'_> {
    pub(super) fn wrong(&mut self, at: At<'_>, what: Text, remedy: Text) {
        self.document.problem(at, what, remedy);
    }

    pub(super) fn id(&mut self, at: At<'_>, text: Option<&String>) -> Option<Id> {
        let text = text?;
        let id = text.parse().ok();
        if id.is_none() {
            self.wrong(
                at,
                Text::new(format!("{text:?} 不是合格的编号"), format!("{text:?} is not an id")),
                Text::new(
                    "用 1 到 32 个 a-z、0-9 或 '-'；中文写在 name 里",
                    "use 1 to 32 of a-z, 0-9 and '-'; other words belong in name",
                ),
            );
        }
        id
    }

    /// Words for people.
    pub(super) fn words(&mut self, at: At<'_>, text: Option<&String>) -> Option<String> {
        let text = text?;
        if !(1..=TEXT_CHARS).contains(&text.chars().count()) {
            self.wrong(
                at,
                Text::new("文字应有 1 到 64 个字", "a text has 1 to 64 characters"),
                Text::new("缩短，或去掉这个键", "shorten it, or take the key out"),
            );
        }
        Some(text.clone())
    }

    pub(super) fn path(&mut self, at: At<'_>, text: Option<&String>) -> Option<PathBuf> {
        let text = text?;
        if text.is_empty() {
            self.wrong(
                at,
                Text::new("路径是空的", "the path is empty"),
                Text::new("写出完整路径", "write the whole path"),
            );
        }
        Some(self.directory.join(text))
    }

    /// A file that must be there; a secret one must not be open to everybody.
    pub(super) fn file(&mut self, at: At<'_>, text: Option<&String>, secret: bool) -> Option<PathBuf> {
        let path = self.path(at, text)?;
        if !self.look_at_files {
            return Some(path);
        }
        let shown = path.display();
        match path.metadata() {
            Err(error) => self.wrong(
                at,
                Text::new(format!("读不了 {shown}：{error}"), format!("cannot read {shown}: {error}")),
                Text::new("检查路径和权限", "check the path and the rights"),
            ),
            Ok(meta) if !meta.is_file() => self.wrong(
                at,
                Text::new(format!("{shown} 不是文件"), format!("{shown} is not a file")),
                Text::new("写文件的路径", "write the path of a file"),
            ),
            Ok(meta) if secret && meta.permissions().mode() & 0o007 != 0 => self.wrong(
                at,
                Text::new(format!("{shown} 谁都能读"), format!("{shown} is open to everybody")),
                Text::new(format!("运行 chmod 600 {shown}"), format!("run chmod 600 {shown}")),
            ),
            Ok(_) => {}
        }
        Some(path)
    }

    /// Tells a name that is used a second time.
    pub(super) fn once<K: Ord>(&mut self, taken: &mut Taken<K>, key: K, at: At<'_>, what: &Text) {
        match taken.get(&key) {
            None => {
                taken.insert(key, self.document.place(at).0);
            }
            Some(line) => {
                let what = Text::new(
                    format!("{}，第 {line} 行已用", what.zh),
                    format!("{}, used in line {line} already", what.en),
                );
                self.wrong(at, what, Text::new("改成另一个", "choose another"));
            }
        }
    }

    /// Index of the named thing, or a complaint with the nearest name.
    pub(super) fn known<'n>(
        &mut self,
        at: At<'_>,
        name: &str,
        kind: (&str, &str),
        known: impl Iterator<Item = &'n str> + Clone,
    ) -> Option<usize> {
        let found = known.clone().position(|known| known == name);
        if found.is_none() {
            self.unknown(at, name, kind, closest(name, known));
        }
        found
    }

    pub(super) fn unknown(&mut self, at: At<'_>, name: &str, (zh, en): (&str, &str), near: Option<&str>) {
        let remedy = match near {
            Some(near) => Text::new(format!("是不是 {near}？"), format!("did you mean {near}?")),
            None => Text::new(
                format!("先定义这个{zh}，或改正名字"),
                format!("define this {en} first, or mend the name"),
            ),
        };
        let what = Text::new(format!("没有名为 {name:?} 的{zh}"), format!("there is no {en} {name:?}"));
        self.wrong(at, what, remedy);
    }
}
